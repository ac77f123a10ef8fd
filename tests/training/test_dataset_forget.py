from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from support.commands import assert_clear_failure, no_leftovers, run
from support.releases import bytes_of, held, order, people, receipts, released, rows_of
from support.tastes import Done, Train
from support.tokens import token

from recsys.contracts.document import decode_document, encode_document
from recsys.contracts.erasure import AffectedBundle, ErasureReceipt
from recsys.contracts.manifest import MANIFEST_FILE, Level, Manifest, TrainingData
from recsys.files import sha256_of

FIRST = dt.date(2024, 1, 1)
LATER = FIRST + dt.timedelta(days=7)
ANNA, BELA = token("anna"), token("bela")


@pytest.fixture
def folder(tmp_path: Path, train: Train) -> Path:
    """Anna bought in the first of two releases, Bela in both; `models` holds bundles of every kind."""
    redeemed = pl.DataFrame({"subject": [ANNA, BELA], "offer_id": ["o", "o"], "day": [FIRST] * 2})
    tables = {"purchases": receipts(["anna", "bela"], first=FIRST), "subjects": people(["anna", "bela"])}
    demographics = pl.DataFrame({"subject": [ANNA], "attribute": ["age"], "group": ["35-44"]})
    released(tmp_path / "r1", tables | {"redemptions": redeemed, "demographics": demographics})
    released(tmp_path / "r2", {"purchases": receipts(["bela"], first=LATER)})
    for number, release in enumerate(("r1", "r2"), 1):
        assert train("append", tmp_path / release, "--purchases", tmp_path / "dataset").returncode == 0
        state = held(tmp_path / "dataset").fingerprint
        manifest(tmp_path / "models", f"state-{number}", release=state)
        manifest(tmp_path / "models", f"release-{number}", release=sha256_of(tmp_path / release / "release.json"))
        manifest(tmp_path / "models", f"late-{number}", release=state, first_day=LATER)
    manifest(tmp_path / "models", "early", release=state, until=FIRST)
    manifest(tmp_path / "models", "files", release=None)
    manifest(tmp_path / "models", "foreign", release=state, domain="partner")
    return tmp_path


def manifest(models: Path, name: str, **changed: Any) -> None:  # noqa: ANN401 - fields of every type
    """A bundle's manifest, of a window that covers everything unless `changed` says otherwise."""
    lineage: dict[str, Any] = {
        "fingerprint": "f" * 64,
        "domain": "rec",
        "epoch": "01",
        "first_day": FIRST,
        "until": LATER + dt.timedelta(days=7),
        "subjects": 2,
        "purchases": 9,
        "consent": "training",
        "guard_policy": None,
    }
    empty: dict[str, Any] = {key: {} for key in ("configuration", "parity", "metrics", "privacy", "libraries", "files")}
    data = TrainingData(**(lineage | changed))
    made = Manifest(name=name, version="1", level=Level.ITEM, min_buyers=5, data=data, seed=0, **empty)
    (models / name / "1").mkdir(parents=True)
    (models / name / "1" / MANIFEST_FILE).write_bytes(encode_document(made))


def options(folder: Path) -> tuple[object, ...]:
    return ("--purchases", folder / "dataset", "--models", folder / "models", "--out", folder / "receipt.json")


def forget(folder: Path, train: Train, *tokens: str, number: int = 1) -> Done:
    return train("forget", order(folder / "order.json", *tokens, number=number), *options(folder), "--json")


def receipt_in(folder: Path) -> ErasureReceipt:
    return decode_document((folder / "receipt.json").read_bytes(), ErasureReceipt, where="receipt")


@pytest.mark.slow
def test_every_row_goes_and_nothing_else(folder: Path) -> None:
    """By the real command."""
    dataset = folder / "dataset"
    before = {table: rows_of(dataset, table) for table in ("purchases", "subjects", "redemptions")}
    assert ANNA.encode() in bytes_of(dataset)
    done = run("training", "forget", order(folder / "order.json", ANNA), *options(folder))
    assert done.returncode == 0, done.stderr
    for table, frame in before.items():
        assert rows_of(dataset, table).equals(frame.filter(pl.col("subject") != ANNA))
    assert not held(dataset).merged.get("demographics")
    assert ANNA.encode() not in bytes_of(dataset)
    assert BELA.encode() in bytes_of(dataset)
    assert {path.name for path in dataset.iterdir()} == {"dataset.json", *held(dataset).files}
    assert ANNA not in done.stderr + (folder / "receipt.json").read_text()
    assert receipt_in(folder).deleted == {"purchases": 9, "subjects": 1, "redemptions": 1, "demographics": 1}
    assert no_leftovers(folder)


def test_the_receipt_names_the_bundles_that_cover_the_rows(folder: Path, train: Train) -> None:
    done = forget(folder, train, ANNA)
    assert names(receipt_in(folder).bundles) == ["release-1", "state-1", "state-2"]
    assert "Nobody can tell whether these were too: files/1" in done.stderr
    forget(folder, train, BELA, number=2)
    assert names(receipt_in(folder).bundles) == ["late-2", "release-1", "release-2", "state-1", "state-2"]


def names(bundles: tuple[AffectedBundle, ...]) -> list[str]:
    return [bundle.name for bundle in bundles]


def test_told_twice_it_answers_the_same(folder: Path, train: Train) -> None:
    forget(folder, train, ANNA)
    first, dataset = (folder / "receipt.json").read_bytes(), (folder / "dataset" / "dataset.json").read_bytes()
    (folder / "receipt.json").unlink()
    done = forget(folder, train, ANNA)
    assert "Obeyed already" in done.stderr
    assert (folder / "receipt.json").read_bytes() == first
    assert (folder / "dataset" / "dataset.json").read_bytes() == dataset
    forget(folder, train, ANNA, number=2)  # a second order for the same person finds nothing
    assert set(receipt_in(folder).deleted.values()) == {0}
    assert len(held(folder / "dataset").tombstones) == 1


def test_somebody_without_rows_is_kept_out_too(folder: Path, train: Train) -> None:
    forget(folder, train, token("newcomer"))
    assert set(receipt_in(folder).deleted.values()) == {0}
    late = released(folder / "late", {"purchases": receipts(["newcomer", "bela"], first=LATER + dt.timedelta(7))})
    assert train("append", late, "--purchases", folder / "dataset", "--json").json["suppressed"] == {"purchases": 9}


def test_the_last_person_may_go(folder: Path, train: Train) -> None:
    assert forget(folder, train, ANNA, BELA).returncode == 0
    assert {path.name for path in (folder / "dataset").iterdir()} == {"dataset.json"}
    late = released(folder / "late", {"purchases": receipts(["cara", "bela"], first=LATER + dt.timedelta(7))})
    assert train("append", late, "--purchases", folder / "dataset").returncode == 0
    assert set(rows_of(folder / "dataset", "purchases")["subject"]) == {token("cara")}


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "foreign domain": ({"tokens": [token("anna", domain="partner")]}, "another domain"),
    "one of them foreign": ({"tokens": [ANNA, token("anna", domain="partner")]}, "another domain"),
    "an epoch too few": ({"tokens": [token("anna", epoch="02")]}, "no token of epoch 01"),
    "another recipient": ({"tokens": [ANNA], "recipient": "serving"}, "another recipient"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_not_meant_for_this_dataset_is_refused(folder: Path, train: Train, name: str) -> None:
    asked, message = REFUSED[name]
    before = bytes_of(folder / "dataset")
    wanted = order(folder / "order.json", *asked["tokens"], recipient=asked.get("recipient", "training"))
    done = train("forget", wanted, *options(folder))
    assert_clear_failure(done, message)
    assert not any(each in done.stderr for each in asked["tokens"])
    assert bytes_of(folder / "dataset") == before
    assert not (folder / "receipt.json").exists()


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ("order", "$.subjects[0]"),
        ("purchases", "not a purchases dataset"),
        ("models", "no such folder"),
    ],
)
def test_misnamed_files_are_refused(folder: Path, train: Train, wrong: str, message: str) -> None:
    wanted = order(folder / "order.json", ANNA)
    if wrong == "order":
        wanted.write_text(wanted.read_text().replace(ANNA, "anna.smith@example.com"))
    named = dict(zip(("purchases", "models", "out"), options(folder)[1::2], strict=True))
    named[wrong if wrong != "order" else "out"] = folder / "nowhere"
    done = train("forget", wanted, *(part for name, path in named.items() for part in (f"--{name}", path)))
    assert_clear_failure(done, message)
    assert "anna.smith" not in done.stderr
    assert ANNA in set(rows_of(folder / "dataset", "purchases")["subject"])
