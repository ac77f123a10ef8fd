"""No byte of a bundle is about a person, and the search that says so finds what is planted."""

from __future__ import annotations

import base64
import datetime as dt
import shutil
from pathlib import Path

import numpy as np
import onnx
import polars as pl
import pytest
from support.search import contents, found, plant
from support.tastes import DAYS, FIRST_DAY, RARE, REFUSED, SUBJECTS, Done, Shop, lines, purchases

from recsys.bundle import Bundle
from training.dataset import Sources, read_dataset
from training.fit import Options, fit
from training.levels import LevelChoice
from training.profiles import Profile


def forms(token: str) -> tuple[bytes, ...]:
    """A token as it may stand in a file: whole, its 26 characters, its 16 bytes, the bytes in hexadecimal."""
    body = token.rsplit(".", 1)[1]
    raw = base64.b32decode(body.upper() + "======")
    return token.encode(), body.encode(), raw, raw.hex().encode()


def leaks(folder: Path) -> set[bytes]:
    everything = contents(folder)
    return {form for token in SUBJECTS for form in forms(token) if form in everything}


def test_no_file_holds_a_token_in_any_form(fitted: Done) -> None:
    assert leaks(fitted.bundle) == set()


@pytest.mark.parametrize("form", range(4))
def test_the_search_finds_a_planted_token(fitted: Done, tmp_path: Path, form: int) -> None:
    copy = Path(shutil.copytree(fitted.bundle, tmp_path / "bundle"))
    planted = forms(SUBJECTS[17])[form]
    model = (copy / "model.onnx").read_bytes()
    (copy / "model.onnx").write_bytes(model[:500] + planted + model[500:])
    assert planted in leaks(copy)


def test_the_search_finds_a_token_in_a_compressed_column(fitted: Done, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(fitted.bundle, tmp_path / "bundle"))
    plant(copy, SUBJECTS[17])
    assert leaks(copy) == set(forms(SUBJECTS[17])[:2])


def test_what_fewer_than_five_bought_is_nowhere_in_it(fitted: Done) -> None:
    assert found(contents(fitted.bundle), [RARE]) == []


def test_no_factor_is_of_fewer_than_five_people_who_agreed(shop: Shop, tmp_path: Path) -> None:
    """Four who agreed buy it every week, and ten who refused: there is no row of factors for it, and none a person."""
    agreed = [subject for subject in SUBJECTS if subject not in REFUSED]
    weekly = [(subject, RARE, day, 1.0) for subject in [*agreed[:4], *REFUSED] for day in range(0, 60, 7)]
    everything = pl.concat([purchases().filter(pl.col("item") != RARE), lines(weekly)])
    everything.write_parquet(tmp_path / "purchases.parquet")
    until = FIRST_DAY + dt.timedelta(days=DAYS)
    dataset = read_dataset(Sources(tmp_path / "purchases.parquet", shop.subjects), until=until, today=until)
    bundle = fit(dataset, Options("shop", LevelChoice.ITEM, Profile.TEST)).bundle
    counted = everything.filter(pl.col("subject").is_in(agreed), pl.col("quantity") > 0)
    buyers = counted.group_by("item").agg(pl.col("subject").n_unique()).sort("item")
    assert buyers.filter(item=RARE)["subject"].item() == 4
    names = buyers.filter(pl.col("subject") >= 5)["item"].to_list()
    assert list(bundle.vocabulary.names) == bundle.statistics["item"].to_list() == names
    sizes = {tuple(table.dims) for table in onnx.load_from_string(bundle.model).graph.initializer}
    factors = int(bundle.manifest.configuration["factors"])
    assert (len(names) + 1, factors) in sizes  # with padding
    assert not any({len(agreed), len(SUBJECTS)} & set(size) for size in sizes), sizes


def test_figures_of_privacy_are_told_and_statistics_are_numbers(bundle: Bundle) -> None:
    privacy = bundle.manifest.privacy
    assert privacy["min_buyers"] == 5.0
    assert privacy["least_buyers"] == float(bundle.statistics["buyers"].min() or 0)
    assert all(0 < privacy[f"membership_auc{of}"] < 1 for of in ("", "_factors", "_popularity", "_beyond"))
    assert np.isfinite(bundle.statistics["trend"].to_numpy()).all()


def test_the_card_tells_which_figure_is_held_and_which_is_not(fitted: Done, bundle: Bundle) -> None:
    text = (fitted.bundle / "card.md").read_text(encoding="utf-8")
    assert f"| membership auc beyond | {bundle.manifest.privacy['membership_auc_beyond']:.4g} |" in text
    assert "*membership auc* is held to 0.53" in text
    assert "*beyond* is held to nothing" in text
    assert "histories that nobody learned from,\nmade of real ones" in text
