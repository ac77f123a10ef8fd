"""What a dataset does with a relink order: joined, parted, removed; by the real command."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from pathlib import Path

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.commands import assert_clear_failure, no_leftovers
from support.links import relink_order
from support.releases import bytes_of, held, order, receipts, released, rows_of
from support.tastes import Done, Train
from support.tokens import token

from recsys.contracts.document import decode_document
from recsys.contracts.relink import RelinkReceipt, read_order
from training.purchases.append import append
from training.purchases.relink import relink as relink_dataset

FIRST = dt.date(2024, 1, 1)
NOW = dt.datetime(2024, 6, 1, tzinfo=dt.UTC)
CARD, MAIL, BELA = token("anna"), token("anna@web"), token("bela")
SUBJECTS = {
    "subject": [CARD, MAIL, BELA],
    "consents": [["profiling", "training", "channel:till"], ["training", "channel:email"], ["training"]],
    "adult": [True, None, True],
    "interests": [["wine"], ["tea", "wine"], []],
    "store": [None, "web", "31"],
}
GROUPS = {
    "subject": [MAIL, CARD, BELA],
    "attribute": ["age", "age", "age"],
    "group": ["19-24", "25-34", "65+"],
}
USED = {"subject": [MAIL, BELA], "offer_id": ["o1", "o2"], "day": [FIRST, FIRST]}


@pytest.fixture
def folder(tmp_path: Path, train: Train) -> Path:
    """A dataset of three tokens: two of one person, and Bela."""
    tables = {
        "purchases": receipts(["anna", "anna@web", "bela"], first=FIRST),
        "subjects": pl.DataFrame(SUBJECTS),
        "demographics": pl.DataFrame(GROUPS),
        "redemptions": pl.DataFrame(USED),
    }
    release = released(tmp_path / "r1", tables)
    assert train("append", release, "--purchases", tmp_path / "dataset").returncode == 0
    return tmp_path


def relink(folder: Path, train: Train, file: Path, *more: object) -> Done:
    return train("relink", file, "--purchases", folder / "dataset", "--out", folder / "receipt.json", *more)


def receipt_in(folder: Path) -> RelinkReceipt:
    return decode_document((folder / "receipt.json").read_bytes(), RelinkReceipt, where="receipt")


def joining(folder: Path, *pairs: tuple[str, str], **said: object) -> Path:
    return relink_order(folder / "order.parquet", pairs or [(MAIL, CARD)], **said)


def parting(folder: Path, baskets: dict[str, str], number: int = 2) -> Path:
    rows = [(CARD, MAIL, None), *((CARD, whose, basket) for basket, whose in baskets.items())]
    return relink_order(folder / f"{number}.parquet", (), rows, number=number)


def basket_of(name: str, day: int) -> str:
    return token(f"{name} {FIRST + dt.timedelta(day)}")


def test_two_tokens_become_one_person_and_the_stricter_consent_wins(folder: Path, train: Train) -> None:
    before = rows_of(folder / "dataset", "purchases")
    assert relink(folder, train, joining(folder)).returncode == 0
    dataset = folder / "dataset"
    assert MAIL.encode() not in bytes_of(dataset)
    after = rows_of(dataset, "purchases")
    assert after.filter(subject=CARD).drop("subject").height == before.filter(subject=CARD).height * 2
    assert set(after["basket"]) == set(before["basket"])
    anna = rows_of(dataset, "subjects").filter(subject=CARD).row(0, named=True)
    said = {"subject": CARD, "consents": ["training"], "adult": None, "interests": ["wine", "tea"], "store": "web"}
    assert anna == said
    assert rows_of(dataset, "demographics").filter(subject=CARD)["group"].to_list() == ["25-34"]
    assert rows_of(dataset, "redemptions")["subject"].to_list().count(CARD) == 1
    receipt = receipt_in(folder)
    assert receipt.joined == {"purchases": 9, "subjects": 1, "redemptions": 1, "demographics": 1}
    assert not any([*receipt.parted.values(), *receipt.removed.values(), receipt.erased])
    assert held(dataset).relinks == (receipt,)
    assert {path.name for path in dataset.iterdir()} == {"dataset.json", *held(dataset).files}
    assert no_leftovers(folder)


@pytest.mark.parametrize("silent", ["anna", "anna@web"])
def test_whoever_bought_and_has_no_row_has_agreed_to_nothing(tmp_path: Path, silent: str) -> None:
    tables = {
        "purchases": receipts(["anna", "anna@web", "bela"], first=FIRST),
        "subjects": pl.DataFrame(SUBJECTS).filter(pl.col("subject") != token(silent)),
    }
    append(released(tmp_path / "r1", tables), tmp_path / "dataset", accept_epoch=False, today=dt.date(2024, 2, 1))
    relink_dataset(read_order(joining(tmp_path)), tmp_path / "dataset", skip=False, now=NOW)
    agreed = dict(rows_of(tmp_path / "dataset", "subjects").select("subject", "consents").iter_rows())
    assert agreed == {CARD: [], BELA: ["training"]}


def test_obeyed_once(folder: Path, train: Train) -> None:
    relink(folder, train, joining(folder))
    receipt, dataset = (folder / "receipt.json").read_bytes(), bytes_of(folder / "dataset")
    again = relink(folder, train, folder / "order.parquet")
    assert again.returncode == 0
    assert "Obeyed already" in again.stderr
    assert ((folder / "receipt.json").read_bytes(), bytes_of(folder / "dataset")) == (receipt, dataset)


def test_what_receipts_tell_apart_goes_where_it_belongs_and_the_rest_goes(folder: Path, train: Train) -> None:
    relink(folder, train, joining(folder))
    baskets = {basket_of("anna", 0): CARD, basket_of("anna", 1): CARD, basket_of("anna@web", 0): MAIL}
    assert relink(folder, train, parting(folder, baskets)).returncode == 0
    dataset = folder / "dataset"
    purchases = rows_of(dataset, "purchases")
    assert dict(purchases.select("basket", "subject").unique().iter_rows()) == {
        **baskets,
        **{basket_of("bela", day): BELA for day in range(3)},
    }
    assert rows_of(dataset, "subjects")["subject"].to_list() == [BELA]  # consents are asked for anew
    assert rows_of(dataset, "demographics")["subject"].to_list() == [BELA]
    receipt = receipt_in(folder)
    assert (receipt.parted["purchases"], receipt.removed["purchases"]) == (9, 9)
    assert (receipt.removed["subjects"], receipt.removed["redemptions"]) == (1, 1)


def test_orders_are_obeyed_in_their_order(folder: Path, train: Train) -> None:
    before = bytes_of(folder / "dataset")
    third = joining(folder, number=3, parted=2)
    assert_clear_failure(relink(folder, train, third), "order 2, which parts people, comes first")
    assert bytes_of(folder / "dataset") == before
    assert relink(folder, train, third, "--skip-earlier").returncode == 0
    assert_clear_failure(relink(folder, train, parting(folder, {})), "order 3 was applied already")
    later = relink_order(folder / "later.parquet", [(MAIL, CARD)], number=9, parted=2)
    assert relink(folder, train, later).returncode == 0  # joins in between are in it


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ({"recipient": "serving"}, "is for another recipient"),
        ({"epochs": ("01", "02")}, ""),
        ({"epochs": ("02",)}, "tokens of another domain or epoch"),
        ({"domain": "ads"}, "tokens of another domain or epoch"),
    ],
)
def test_an_order_for_something_else_is_refused(
    folder: Path, train: Train, said: dict[str, object], message: str
) -> None:
    before = bytes_of(folder / "dataset")
    done = relink(folder, train, joining(folder, **said))
    if message:
        assert_clear_failure(done, message)
        assert bytes_of(folder / "dataset") == before
    else:
        assert done.returncode == 0


def test_an_order_that_does_not_know_an_epoch_in_use_is_refused(folder: Path, train: Train) -> None:
    release = released(folder / "r2", {"purchases": receipts(["cara"], first=FIRST, epoch="02")}, epoch="02")
    assert train("append", release, "--purchases", folder / "dataset", "--accept-epoch").returncode == 0
    assert_clear_failure(relink(folder, train, joining(folder)), "does not speak of epoch 02", "link --again")


def test_an_order_that_contradicts_itself_is_refused(folder: Path, train: Train) -> None:
    for pairs in ([(MAIL, CARD), (CARD, BELA)], [(MAIL, CARD), (MAIL, BELA)]):
        assert_clear_failure(relink(folder, train, joining(folder, *pairs)), "contradicts itself")
    crossing = joining(folder, (MAIL, token("anna", epoch="02")), epochs=("01", "02"))
    assert_clear_failure(relink(folder, train, crossing), "from one epoch to another")
    assert_clear_failure(relink(folder, train, folder / "r1" / "purchases.parquet"), "column 'act' is missing")


@pytest.mark.parametrize("gone", [MAIL, CARD])
def test_nobody_is_joined_with_somebody_who_was_erased_here(folder: Path, train: Train, gone: str) -> None:
    (folder / "models").mkdir()
    named = ("--purchases", folder / "dataset", "--models", folder / "models", "--out", folder / "erasure.json")
    assert train("forget", order(folder / "erase.json", gone), *named).returncode == 0
    before = rows_of(folder / "dataset", "purchases")
    done = relink(folder, train, joining(folder))
    assert "should forget that, too" in done.stderr
    assert receipt_in(folder).erased == 1
    assert rows_of(folder / "dataset", "purchases").equals(before)


consents = st.sets(st.sampled_from(["profiling", "training", "channel:till", "channel:email"]))
rows = st.tuples(consents, st.none() | st.booleans(), st.lists(st.sampled_from("abc"), max_size=2, unique=True))


@pytest.mark.slow
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(told=st.lists(rows, min_size=2, max_size=4), data=st.data())
def test_the_law_of_joining_holds_whatever_stands_there(
    tmp_path_factory: pytest.TempPathFactory,
    told: Sequence[tuple[set[str], bool | None, list[str]]],
    data: st.DataObject,
) -> None:
    folder = tmp_path_factory.mktemp("law")
    names = [f"p{number}" for number in range(len(told))]
    table = pl.DataFrame(
        {
            "subject": [token(name) for name in names],
            "consents": [sorted(agreed) for agreed, _, _ in told],
            "adult": [adult for _, adult, _ in told],
            "interests": [wanted for _, _, wanted in told],
        },
        schema={
            "subject": pl.String,
            "consents": pl.List(pl.String),
            "adult": pl.Boolean,
            "interests": pl.List(pl.String),
        },
    ).sample(fraction=1.0, shuffle=True, seed=data.draw(st.integers(0, 99)))
    release = released(folder / "r1", {"purchases": receipts(names, first=FIRST), "subjects": table})
    append(release, folder / "dataset", accept_epoch=False, today=dt.date(2024, 2, 1))
    pairs = [(token(name), token("p0")) for name in names[1:]]
    relink_dataset(read_order(relink_order(folder / "o.parquet", pairs)), folder / "dataset", skip=False, now=NOW)
    one = rows_of(folder / "dataset", "subjects").row(0, named=True)
    verified = [adult for _, adult, _ in told]
    assert set(one["consents"]) == set.intersection(*(agreed for agreed, _, _ in told))
    assert one["adult"] == (False if False in verified else None if None in verified else True)
    assert set(one["interests"]) == {wish for _, _, wanted in told for wish in wanted}
    assert rows_of(folder / "dataset", "purchases").height == 9 * len(names)
