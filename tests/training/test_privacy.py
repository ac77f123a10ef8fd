"""No byte of a bundle is about a person, and the search that says so finds what is planted."""

from __future__ import annotations

import base64
import shutil
from pathlib import Path

import numpy as np
import pytest
from support.search import contents, found, plant
from support.tastes import RARE, SUBJECTS, Done

from recsys.bundle import Bundle


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


def test_no_factor_is_one_persons(bundle: Bundle) -> None:
    privacy = bundle.manifest.privacy
    assert privacy["min_buyers"] == 5.0
    assert privacy["least_buyers"] == float(bundle.statistics["buyers"].min() or 0)
    assert 0 <= privacy["membership_auc"] <= 1
    assert np.isfinite(bundle.statistics["trend"].to_numpy()).all()
