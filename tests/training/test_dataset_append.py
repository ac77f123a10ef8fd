from __future__ import annotations

import datetime as dt
import json
from pathlib import Path

import msgspec
import polars as pl
import pytest
from support.commands import assert_clear_failure, no_leftovers
from support.releases import held, order, people, receipts, released, rows_of
from support.tastes import Done, Shop, Train, purchases, subjects
from support.tokens import token

from recsys.bundle import load_bundle
from recsys.contracts.release import RELEASE_FILE
from recsys.contracts.subjects import consenting

FIRST = dt.date(2024, 1, 1)
LATER = FIRST + dt.timedelta(days=7)
EMAIL = "anna.smith@example.com"


@pytest.fixture
def dataset(tmp_path: Path, train: Train) -> Path:
    """Two releases: 1, 2, 3 agreed; then 4 came, and 1 no longer agreed."""
    first = {"purchases": receipts([1, 2, 3], first=FIRST), "subjects": people([1, 2, 3])}
    second = {"purchases": receipts([1, 4], first=LATER), "subjects": people([1], consents=())}
    second["subjects"] = pl.concat([second["subjects"], people([4])])
    for name, tables in (("r1", first), ("r2", second)):
        done = train("append", released(tmp_path / name, tables), "--purchases", tmp_path / "dataset", "--json")
        assert done.returncode == 0, done.stderr
        assert done.json["new"]
    return tmp_path / "dataset"


def test_a_dataset_is_what_its_releases_brought(dataset: Path) -> None:
    whole = pl.concat([receipts([1, 2, 3], first=FIRST), receipts([1, 4], first=LATER)])
    assert rows_of(dataset, "purchases").equals(whole.sort(whole.columns[:4]))
    document = held(dataset)
    assert (document.domain, document.epochs) == ("rec", ("01",))
    assert [release.rows for release in document.releases] == [
        {"purchases": 27, "subjects": 3},
        {"purchases": 18, "subjects": 2},
    ]
    assert {path.name for path in dataset.iterdir()} == {"dataset.json", *document.files}
    assert no_leftovers(dataset)


def test_the_later_consents_hold(dataset: Path) -> None:
    agreed = consenting(rows_of(dataset, "subjects"), "training")
    assert set(agreed) == {token(2), token(3), token(4)}


def test_a_release_counts_once(dataset: Path, train: Train) -> None:
    before = (dataset / "dataset.json").read_bytes()
    done = train("append", dataset.parent / "r1", "--purchases", dataset, "--json")
    assert (done.returncode, done.json["new"]) == (0, False)
    assert "was there already" in done.stderr
    assert (dataset / "dataset.json").read_bytes() == before


def test_overlapping_releases_are_noticed(dataset: Path, tmp_path: Path, train: Train) -> None:
    again = released(tmp_path / "r3", {"purchases": receipts([1, 5], first=FIRST, lines=2)})
    done = train("append", again, "--purchases", dataset)
    assert done.returncode == 0
    assert "3 receipts were there already" in done.stderr


def test_erased_persons_do_not_come_back(dataset: Path, tmp_path: Path, train: Train) -> None:
    (tmp_path / "models").mkdir()
    wanted = order(tmp_path / "order.json", token(1))
    arguments = ("--purchases", dataset, "--models", tmp_path / "models", "--out", tmp_path / "receipt.json")
    assert train("forget", wanted, *arguments).returncode == 0
    tables = {
        "purchases": receipts([1, 2], first=LATER + dt.timedelta(days=7)),
        "subjects": people([1, 2]),
        "redemptions": pl.DataFrame({"subject": [token(1), token(2)], "offer_id": ["o", "o"], "day": [LATER] * 2}),
    }
    done = train("append", released(tmp_path / "late", tables), "--purchases", dataset, "--json")
    assert done.json["suppressed"] == {"purchases": 9, "subjects": 1, "redemptions": 1}
    assert "9 purchases, 1 redemptions, 1 subjects" in done.stderr
    for table in ("purchases", "subjects", "redemptions"):
        assert token(1) not in rows_of(dataset, table)["subject"]
        assert token(2) in rows_of(dataset, table)["subject"]
    assert token(1) not in (dataset / "dataset.json").read_text()


@pytest.mark.parametrize(
    ("domain", "epoch", "message"),
    [("partner", "01", "domain 'rec'"), ("rec", "02", "--accept-epoch")],
)
def test_tokens_of_elsewhere_are_refused(
    dataset: Path, tmp_path: Path, train: Train, domain: str, epoch: str, message: str
) -> None:
    before = {path.name: path.read_bytes() for path in dataset.iterdir()}
    lines = receipts([7], first=LATER).with_columns(
        pl.col("subject", "basket").str.replace(r"^s1\.rec\.01", f"s1.{domain}.{epoch}")
    )
    release = released(tmp_path / "r3", {"purchases": lines}, domain=domain, epoch=epoch)
    assert_clear_failure(train("append", release, "--purchases", dataset), message)
    assert {path.name: path.read_bytes() for path in dataset.iterdir()} == before


def test_a_declared_epoch_is_accepted_but_not_learned_from_before_the_map(
    dataset: Path, tmp_path: Path, train: Train, shop: Shop
) -> None:
    release = released(tmp_path / "r3", {"purchases": receipts([2], first=LATER, epoch="02")}, epoch="02")
    assert train("append", release, "--purchases", dataset, "--accept-epoch").returncode == 0
    assert held(dataset).epochs == ("01", "02")
    assert_clear_failure(
        train("fit", *shop.options(tmp_path / "models", purchases=dataset)), "one person would count as two"
    )


def _changed(release: Path) -> None:
    people([9]).write_parquet(release / "subjects.parquet")


def _removed(release: Path) -> None:
    (release / "purchases.parquet").unlink()


def _unnamed(release: Path) -> None:
    (release / RELEASE_FILE).unlink()


def _unknown(release: Path) -> None:
    said = json.loads((release / RELEASE_FILE).read_text())
    (release / "browsing.parquet").write_bytes((release / "subjects.parquet").read_bytes())
    said["files"]["browsing.parquet"] = said["files"]["subjects.parquet"]
    (release / RELEASE_FILE).write_text(json.dumps(said))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (_changed, "was changed or removed"),
        (_removed, "was changed or removed"),
        (_unnamed, "not the folder of a release"),
        (_unknown, "a table that a dataset does not take"),
    ],
)
def test_a_release_that_is_not_whole_leaves_nothing(tmp_path: Path, train: Train, damage: object, message: str) -> None:
    release = released(tmp_path / "r", {"purchases": receipts([1], first=FIRST), "subjects": people([1])})
    assert callable(damage)
    damage(release)
    assert_clear_failure(train("append", release, "--purchases", tmp_path / "dataset"), message)
    assert not (tmp_path / "dataset").exists()


@pytest.mark.parametrize("column", ["subject", "basket"])
def test_an_identifier_in_a_tokens_place_is_not_repeated(tmp_path: Path, train: Train, column: str) -> None:
    lines = receipts([1], first=FIRST).with_columns(pl.lit(EMAIL).alias(column))
    done = train("append", released(tmp_path / "r", {"purchases": lines}), "--purchases", tmp_path / "dataset")
    assert_clear_failure(done, f"column '{column}'")
    assert EMAIL not in done.stdout + done.stderr
    assert not (tmp_path / "dataset").exists()


def test_a_folder_of_something_else_is_left_alone(tmp_path: Path, train: Train) -> None:
    release = released(tmp_path / "r", {"purchases": receipts([1], first=FIRST)})
    before = sorted(path.name for path in release.iterdir())
    assert_clear_failure(train("append", release, "--purchases", release), "neither a purchases dataset nor empty")
    assert sorted(path.name for path in release.iterdir()) == before


def test_a_fit_learns_from_a_dataset_as_from_one_file(shop: Shop, tmp_path: Path, train: Train) -> None:
    whole, agreed = purchases(), subjects()
    half = whole["day"].median()
    parts = {"r1": whole.filter(pl.col("day") <= half), "r2": whole.filter(pl.col("day") > half)}
    folder = tmp_path / "dataset"
    for name, part in parts.items():
        release = released(tmp_path / name, {"purchases": part, "subjects": agreed})
        assert train("append", release, "--purchases", folder).returncode == 0
    options = {"catalogue": shop.catalogue, "guards": shop.guards, "level": "type"}
    one = fit(train, shop, tmp_path / "one", subjects=shop.subjects, **options)
    two = fit(train, shop, tmp_path / "two", purchases=folder, **options)
    bundles = [load_bundle(done.bundle, trust=shop.trust) for done in (one, two)]
    assert bundles[0].vocabulary.names == bundles[1].vocabulary.names
    data = [bundle.manifest.data for bundle in bundles]
    assert data[1].release == held(folder).fingerprint
    same = msgspec.structs.replace(data[0], release=data[1].release, fingerprint=data[1].fingerprint)
    assert same == data[1]
    assert data[1].consent == "training"


def fit(train: Train, shop: Shop, models: Path, **changed: object) -> Done:
    done = train("fit", *shop.options(models, **changed), "--json")
    assert done.returncode == 0, done.stderr
    return done


def test_a_changed_part_is_not_learned_from(dataset: Path, tmp_path: Path, train: Train, shop: Shop) -> None:
    part = dataset / held(dataset).parts("purchases")[0]
    pl.read_parquet(part).with_columns(quantity=pl.lit(2.0)).write_parquet(part)
    done = train("fit", *shop.options(tmp_path / "models", purchases=dataset))
    assert_clear_failure(done, part.name, "was changed since it was written")
