"""What a fit can be told: how long to search, which settings, whose days; and statistics without a fit."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import msgspec
import numpy as np
import polars as pl
import pytest
from support.commands import assert_clear_failure, in_process
from support.tastes import DAYS, FIRST_DAY, ITEMS, SUBJECTS, Shop, Train
from support.tokens import token

from recsys.bundle import load_bundle
from recsys.contracts.statistics import ITEM_STATISTICS
from recsys.files import sha256_of
from recsys.history import ItemIndex, day_number, histories, purchase_days
from recsys.scorer import Scorer
from recsys.statistics import item_statistics
from training.settings import Settings, read_settings

pytestmark = pytest.mark.slow  # a fit or two each


def test_a_search_is_recorded_and_can_be_repeated(shop: Shop, tmp_path: Path, train: Train) -> None:
    first = train("fit", *shop.options(tmp_path / "a", budget="3"), "--json")
    again = train("fit", *shop.options(tmp_path / "b", budget="3"), "--json")
    assert first.returncode == 0, first.stderr
    manifest = load_bundle(first.bundle, trust=shop.trust).manifest
    assert len(manifest.trials) == 3
    assert {"settings", "quality"} == manifest.trials[0].keys()
    assert set(manifest.metrics) == {"factorization_mixed_ndcg", "factorization_novel_ndcg"}
    assert (first.bundle / "manifest.json").read_bytes() == (again.bundle / "manifest.json").read_bytes()
    assert not list((tmp_path / "a").rglob(".trials*"))


def test_what_was_tuned_is_what_is_fitted(shop: Shop, tmp_path: Path, train: Train) -> None:
    options = ("--purchases", shop.purchases, "--profile", "test", "--budget", "21", "--out", tmp_path / "config.toml")
    tuned = train("tune", *options, "--json")
    assert tuned.returncode == 0, tuned.stderr
    settings = read_settings(tmp_path / "config.toml")
    assert tuned.json["trials"] == 21
    assert msgspec.convert(tuned.json["settings"], Settings) == settings
    assert 0 < tuned.json["quality"]["novel"] <= 1
    done = train("fit", *shop.options(tmp_path / "models", config=tmp_path / "config.toml"), "--json")
    manifest = load_bundle(done.bundle, trust=shop.trust).manifest
    assert manifest.trials == ()
    for name in ("factors", "alpha", "regularization"):
        assert manifest.configuration[name] == getattr(settings.factorization, name)


def test_a_ranker_that_heeds_the_factorization_is_the_same_from_the_same_seed(
    shop: Shop, tmp_path: Path, train: Train
) -> None:
    ranker = "[ranker]\nhidden = [8]\nseeds = 1\nepochs = 2\nresample = 20000\n"
    (tmp_path / "config.toml").write_text(ranker, encoding="utf-8")
    options = [shop.options(tmp_path / name, config=tmp_path / "config.toml") for name in ("a", "b")]
    done = [train("fit", *given, "--json") for given in options]
    assert done[0].returncode == 0, done[0].stderr
    first, again = (load_bundle(one.bundle, trust=shop.trust) for one in done)
    assert first.manifest.configuration["distilled"] is True
    assert first.model == again.model


def test_a_file_gives_each_subject_its_last_day(shop: Shop, tmp_path: Path, train: Train) -> None:
    listed = {subject: FIRST_DAY + dt.timedelta(days=60 + number % 20) for number, subject in enumerate(SUBJECTS[:50])}
    ends = tmp_path / "ends.parquet"
    pl.DataFrame({"subject": list(listed), "day": list(listed.values())}).write_parquet(ends)
    frame = pl.read_parquet(shop.purchases)
    kept = [
        row for row in frame.iter_rows(named=True) if row["subject"] in listed and row["day"] < listed[row["subject"]]
    ]
    pl.DataFrame(kept, schema=frame.schema).write_parquet(tmp_path / "kept.parquet")
    by_file = load_bundle(train("fit", *shop.options(tmp_path / "a", until=ends), "--json").bundle, trust=shop.trust)
    last = max(listed.values())
    plain = shop.options(tmp_path / "b", until=last, purchases=tmp_path / "kept.parquet")
    by_hand = load_bundle(train("fit", *plain, "--json").bundle, trust=shop.trust)
    assert by_file.model == by_hand.model
    assert by_file.statistics.equals(by_hand.statistics)
    assert (by_file.manifest.data.until, by_file.manifest.data.until_file) == (last, sha256_of(ends))


def test_a_file_of_days_with_foreign_tokens_is_refused(shop: Shop, tmp_path: Path, train: Train) -> None:
    ends = pl.DataFrame({"subject": [token(1, domain="shop")], "day": [FIRST_DAY]})
    ends.write_parquet(tmp_path / "ends.parquet")
    done = train("fit", *shop.options(tmp_path / "models", until=tmp_path / "ends.parquet"))
    assert_clear_failure(done, "ends.parquet", "another domain or epoch")


def test_statistics_are_computed_anew_without_a_fit(shop: Shop, tmp_path: Path, train: Train) -> None:
    bundle = train("fit", *shop.options(tmp_path / "m", until=FIRST_DAY + dt.timedelta(days=60)), "--json").bundle
    day, out = FIRST_DAY + dt.timedelta(days=DAYS), tmp_path / "stats.parquet"
    options = ("--bundle", bundle, "--trust", shop.trust, "--purchases", shop.purchases, "--as-of", day, "--out", out)
    done = train("statistics", *options)
    assert done.returncode == 0, done.stderr
    loaded = load_bundle(bundle, trust=shop.trust)
    known = pl.read_parquet(shop.purchases).filter(pl.col("item").is_in(loaded.vocabulary.names))
    fresh = ITEM_STATISTICS.read(out)
    assert fresh.equals(item_statistics(purchase_days(known), as_of=day, min_buyers=5))
    index = ItemIndex.of(ITEMS)
    scorers = Scorer(loaded), Scorer(loaded, statistics=fresh)
    given = histories(known, index)
    everything = np.arange(len(loaded.vocabulary))
    old, new = (s.score(s.fold(given, s.codes(index), as_of=day_number(day)), everything) for s in scorers)
    assert np.isfinite(new).all()
    assert not np.allclose(old, new)


def test_statistics_count_nobody_whom_the_bundle_would_not_have_learned_from(
    shop: Shop, tmp_path: Path, train: Train
) -> None:
    bundle = train("fit", *shop.options(tmp_path / "m", subjects=shop.subjects), "--json").bundle
    day, out = FIRST_DAY + dt.timedelta(days=DAYS), tmp_path / "stats.parquet"
    options = ("--bundle", bundle, "--trust", shop.trust, "--purchases", shop.purchases, "--as-of", day, "--out", out)
    assert_clear_failure(train("statistics", *options), "who agreed to training", "--subjects")
    assert not out.exists()
    done = train("statistics", *options, "--subjects", shop.subjects)
    assert done.returncode == 0, done.stderr
    counted, everyone = ITEM_STATISTICS.read(out), pl.read_parquet(shop.purchases)["subject"].n_unique()
    assert 0 < counted["buyers"].max() < everyone


def test_without_any_history_scores_are_everyones_and_differ_by_item(shop: Shop, tmp_path: Path, train: Train) -> None:
    loaded = load_bundle(train("fit", *shop.options(tmp_path), "--json").bundle, trust=shop.trust)
    scorer, index = Scorer(loaded), ItemIndex.of(ITEMS)
    nobody = histories(pl.read_parquet(shop.purchases), index, subjects=["nobody", "noone"])
    folded = scorer.fold(nobody, scorer.codes(index), as_of=day_number(FIRST_DAY))
    scores = scorer.score(folded, np.arange(len(loaded.vocabulary)))
    assert np.array_equal(scores[0], scores[1])
    assert len(np.unique(scores[0])) > len(loaded.vocabulary) / 2
    assert ((scores > 0) & (scores < 1)).all()


@pytest.mark.parametrize("items", [["item-00", "item-05", "elsewhere"], ["elsewhere"]])
def test_candidates_of_ones_own(shop: Shop, tmp_path: Path, train: Train, items: list[str]) -> None:
    from recsys.cli import app  # noqa: PLC0415 - the other command

    bundle = train("fit", *shop.options(tmp_path / "models"), "--json").bundle
    pl.DataFrame({"item": items}).write_csv(tmp_path / "candidates.csv")
    out, day = tmp_path / "top.parquet", FIRST_DAY + dt.timedelta(days=DAYS)
    options = {"bundle": bundle, "trust": shop.trust, "purchases": shop.purchases, "as-of": day, "out": out}
    arguments = [text for name, value in options.items() for text in (f"--{name}", str(value))]
    call = ["topk", *arguments, "--k", "5", "--candidates", str(tmp_path / "candidates.csv")]
    if items == ["elsewhere"]:
        with pytest.raises(Exception, match="names no model item"):
            in_process(app, *call)
    else:
        in_process(app, *call)
        assert set(pl.read_parquet(out)["item"]) == {"item-00", "item-05"}
