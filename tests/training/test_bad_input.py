"""Whatever is wrong: one message that says what, where and the mend; nothing is written, no value repeated."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
from support.commands import assert_clear_failure
from support.tastes import FIRST_DAY, ITEMS, SUBJECTS, Shop, Train, lines, purchases
from support.tokens import token

from recsys.bundle import load_bundle

EMAIL = "anna.smith@example.com"
Change = Callable[[pl.DataFrame], pl.DataFrame]

BROKEN: dict[str, tuple[Change, str]] = {
    "missing column": (lambda frame: frame.drop("day"), "column 'day' is missing"),
    "misspelt column": (lambda frame: frame.rename({"subject": "subjcet"}), "Rename column 'subjcet'"),
    "unknown column": (lambda frame: frame.with_columns(email=pl.lit(EMAIL)), "column 5 is unknown"),
    "wrong type": (lambda frame: frame.with_columns(pl.col("day").cast(pl.Int32)), "column 'day' has type"),
    "no rows": (lambda frame: frame.clear(), "no rows"),
    "identifier": (lambda frame: frame.with_columns(subject=pl.lit(EMAIL)), "row 1, column 'subject'"),
    "future": (lambda frame: frame.with_columns(day=pl.lit(dt.date(2190, 1, 1))), "in the future"),
    "negative price": (lambda frame: frame.with_columns(value=-pl.col("quantity")), "makes the price negative"),
    "no quantity": (lambda frame: frame.with_columns(quantity=pl.lit(0.0)), "column 'quantity'"),
    "not a number": (lambda frame: frame.with_columns(quantity=pl.lit(float("nan"))), "column 'quantity'"),
    "two epochs": (
        lambda frame: pl.concat([frame, frame.with_columns(subject=pl.lit(token(1, epoch="02")))]),
        "2 domains",
    ),
    "one subject": (lambda frame: frame.filter(pl.col("subject") == SUBJECTS[0]), "at least 5 subjects"),
    "one item": (lambda frame: frame.filter(pl.col("item") == ITEMS[0]), "learning takes two of each"),
    "one day": (lambda frame: frame.with_columns(day=pl.lit(FIRST_DAY)), "1 day of purchases is"),
    "only returns": (lambda frame: frame.with_columns(quantity=pl.lit(-1.0)), "0 items were bought"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_purchases_that_cannot_be_learned_from(shop: Shop, tmp_path: Path, train: Train, name: str) -> None:
    change, message = BROKEN[name]
    change(purchases()).write_parquet(tmp_path / "broken.parquet")
    done = train("fit", *shop.options(tmp_path / "models", purchases=tmp_path / "broken.parquet"))
    assert_clear_failure(done, message)
    assert EMAIL not in done.stdout + done.stderr
    assert not (tmp_path / "models").exists()


@pytest.mark.parametrize("option", ["purchases", "catalogue", "subjects"])
@pytest.mark.parametrize("kept", [0, 300])
def test_a_file_that_was_cut_off(shop: Shop, tmp_path: Path, train: Train, option: str, kept: int) -> None:
    whole: bytes = getattr(shop, option).read_bytes()
    (tmp_path / "cut.parquet").write_bytes(whole[:kept])
    done = train("fit", *shop.full(tmp_path / "models", **{option: tmp_path / "cut.parquet"}))
    assert_clear_failure(done, "cut.parquet", "empty" if kept == 0 else "cut off")


def test_a_file_that_is_not_there(shop: Shop, tmp_path: Path, train: Train) -> None:
    for option in ("purchases", "catalogue", "subjects"):
        done = train("fit", *shop.full(tmp_path / "models", **{option: tmp_path / "nowhere.parquet"}))
        assert_clear_failure(done, "nowhere.parquet: no such file")
    assert_clear_failure(train("fit", *shop.full(tmp_path, guards=tmp_path / "nowhere.toml")), "nowhere.toml")
    assert_clear_failure(train("fit", *shop.full(tmp_path, **{"signing-key": tmp_path / "nowhere"})), "keys init")


def test_nobody_agreed(shop: Shop, tmp_path: Path, train: Train) -> None:
    nobody = pl.read_parquet(shop.subjects).with_columns(consents=pl.lit(["profiling"]))
    nobody.write_parquet(tmp_path / "nobody.parquet")
    done = train("fit", *shop.full(tmp_path / "models", subjects=tmp_path / "nobody.parquet"))
    assert_clear_failure(done, "0 days of purchases", "consent")


def test_subjects_of_another_domain(shop: Shop, tmp_path: Path, train: Train) -> None:
    strangers = pl.DataFrame({"subject": [token(1, domain="partner")], "consents": [["training"]]})
    strangers.write_parquet(tmp_path / "strangers.parquet")
    done = train("fit", *shop.full(tmp_path / "models", subjects=tmp_path / "strangers.parquet"))
    assert_clear_failure(done, "strangers.parquet", "another domain or epoch")


def test_nothing_happened_before_until(shop: Shop, tmp_path: Path, train: Train) -> None:
    assert_clear_failure(train("fit", *shop.options(tmp_path, until=FIRST_DAY)), "0 days of purchases", "--until")


def test_a_day_in_the_future_for_one_subject(shop: Shop, tmp_path: Path, train: Train) -> None:
    days = [dt.date(2099, 1, 1), *[FIRST_DAY + dt.timedelta(days=60)] * 49]
    pl.DataFrame({"subject": SUBJECTS[:50], "day": days}).write_csv(tmp_path / "ends.csv")
    done = train("fit", *shop.options(tmp_path / "models", until=tmp_path / "ends.csv"))
    assert_clear_failure(done, "ends.csv: row 1, column 'day' lies in the future")
    assert not (tmp_path / "models").exists()


def test_options_that_mean_nothing(shop: Shop, tmp_path: Path, train: Train) -> None:
    for changed, message in (
        ({"until": "27.11.2017"}, "--until: is not a date"),
        ({"level": "type"}, "--level: type needs --catalogue"),
        ({"guards": shop.guards}, "--guards: needs --catalogue"),
        ({"level": "shelf"}, "--level"),
        ({"profile": "huge"}, "--profile"),
        ({"budget": "soon"}, "--budget: is no budget"),
        ({"config": tmp_path / "nowhere.toml"}, "nowhere.toml: cannot be read"),
        ({"config": tmp_path / "config.toml", "budget": "5"}, "--budget: searches for settings, and --config gives"),
        ({"seed": "-1"}, "--seed"),
        ({"models": None}, "--models"),
    ):
        assert_clear_failure(train("fit", *shop.options(**{"models": tmp_path} | changed)), message, status=2)


def test_a_policy_with_a_key_that_nobody_knows(shop: Shop, tmp_path: Path, train: Train) -> None:
    policy = shop.guards.read_text(encoding="utf-8").replace("never =", "nevr =")
    (tmp_path / "policy.toml").write_text(policy, encoding="utf-8")
    done = train("fit", *shop.full(tmp_path / "models", guards=tmp_path / "policy.toml"))
    assert_clear_failure(done, "unknown key 'nevr'", "Did you mean 'never'?")


def test_a_policy_with_a_category_that_nobody_sells_is_a_warning(shop: Shop, tmp_path: Path, train: Train) -> None:
    policy = shop.guards.read_text(encoding="utf-8").replace("PREGNANCY TESTS", "PREGNANCY TEST")
    (tmp_path / "policy.toml").write_text(policy, encoding="utf-8")
    done = train("fit", *shop.full(tmp_path / "models", guards=tmp_path / "policy.toml"))
    assert done.returncode == 0
    assert "the nearest is 'PREGNANCY TESTS'" in done.stderr


def test_a_release_that_describes_other_files_is_not_named(shop: Shop, tmp_path: Path, train: Train) -> None:
    content = shop.purchases.read_bytes()
    (tmp_path / "purchases.parquet").write_bytes(content)
    for digest, named in ((hashlib.sha256(content).hexdigest(), True), ("0" * 64, False)):
        release = {
            "contract": "release/1",
            "domain": "rec",
            "epoch": "01",
            "field_policy": "0" * 64,
            "guard_policy": None,
            "fingerprint": "0" * 64,
            "files": {"purchases.parquet": digest},
            "rows": {},
            "dropped": {},
        }
        (tmp_path / "release.json").write_text(json.dumps(release), encoding="utf-8")
        done = train("fit", *shop.options(tmp_path / f"{named}", purchases=tmp_path), "--json")
        manifest = load_bundle(done.bundle, trust=shop.trust).manifest
        assert (manifest.data.release is not None) is named
        assert ("describes other purchases" in done.stderr) is not named


def test_a_version_that_somebody_changed_is_not_replaced(shop: Shop, tmp_path: Path, train: Train) -> None:
    made = train("fit", *shop.options(tmp_path), "--json").bundle
    (made / "card.md").write_text("better than ever", encoding="utf-8")
    done = train("fit", *shop.options(tmp_path))
    assert_clear_failure(done, made.name, "is there already and differs")
    assert (made / "card.md").read_text(encoding="utf-8") == "better than ever"


def test_items_and_days_in_any_order_give_the_same_model(shop: Shop, tmp_path: Path, train: Train) -> None:
    pl.read_parquet(shop.purchases).sample(fraction=1.0, shuffle=True, seed=4).write_parquet(tmp_path / "p.parquet")
    plain = train("fit", *shop.options(tmp_path / "a"), "--json").bundle
    shuffled = train("fit", *shop.options(tmp_path / "b", purchases=tmp_path / "p.parquet"), "--json").bundle
    for name in ("model.onnx", "statistics.parquet"):
        assert (plain / name).read_bytes() == (shuffled / name).read_bytes()


def test_no_repeat_purchase_at_all_is_fine(shop: Shop, tmp_path: Path, train: Train) -> None:
    once = purchases().unique(["subject", "item"], keep="first", maintain_order=True)
    pl.concat([once, lines([(SUBJECTS[0], ITEMS[35], 3, 1.0)])]).write_parquet(tmp_path / "once.parquet")
    done = train("fit", *shop.options(tmp_path / "models", purchases=tmp_path / "once.parquet"), "--json")
    assert done.returncode == 0, done.stderr


def test_one_row_in_a_hundred_broken_is_said_once_with_the_first_and_how_many(
    shop: Shop, tmp_path: Path, train: Train
) -> None:
    frame = purchases()
    broken = pl.int_range(pl.len()) % 100 == 7
    frame.with_columns(quantity=pl.when(broken).then(None).otherwise("quantity")).write_parquet(tmp_path / "p.parquet")
    done = train("fit", *shop.options(tmp_path / "models", purchases=tmp_path / "p.parquet"))
    more = len(range(7, len(frame), 100)) - 1
    assert_clear_failure(done, "row 8, column 'quantity'", f"and {more} more rows")
    assert not (tmp_path / "models").exists()


def test_a_catalogue_that_names_an_item_twice(shop: Shop, tmp_path: Path, train: Train) -> None:
    twice = pl.read_parquet(shop.catalogue)
    pl.concat([twice, twice.head(1)]).write_parquet(tmp_path / "twice.parquet")
    done = train("fit", *shop.full(tmp_path / "models", catalogue=tmp_path / "twice.parquet"))
    assert_clear_failure(done, "twice.parquet: row 1: the same item stands in 2 rows")
    assert not (tmp_path / "models").exists()
