"""A new epoch: what every store does with a one-time map, and the command."""

from __future__ import annotations

import datetime as dt
import shutil
from contextlib import closing
from pathlib import Path

import msgspec
import polars as pl
import pytest
from support.commands import assert_clear_failure, no_leftovers, run
from support.killed import Scenario, kill_everywhere
from support.lines import ANNA, BELA, CARA, Line, event, load, people, record
from support.releases import one_time_map
from support.server import Server
from support.shop import DRINKER, Shop
from support.tokens import token
from support.told import settle, settling, told, yes

from recsys.contracts.document import decode_document
from recsys.contracts.preferences import PreferencesChange
from recsys.contracts.rekey import RekeyReceipt, read_map
from recsys.contracts.state import EMPTY_STATE, State
from recsys.contracts.token import Lineage
from recsys.errors import RecsysError
from recsys.history import ItemIndex
from serving.cli import rekey
from serving.stores import Recorded, Replay, Store, StoreError, create_store, open_store

INDEX = ItemIndex.of(["beer", "milk", "bread", "wine"])
NOW = dt.datetime(2024, 6, 1, tzinfo=dt.UTC)
LINES: list[Line] = [(ANNA, "beer", 0, 2), (ANNA, "milk", 1, 1), (BELA, "milk", 1, 3)]
EVERYBODY = [ANNA, BELA, CARA]


def anew(name: str) -> str:
    return name.replace("s1.rec.01.", "s1.rec.02.")


def a_map(folder: Path, names: list[str], *, number: int = 1) -> Path:
    return one_time_map(folder / "map.parquet", pl.Series(names), number=number)


def facts(store: Store, *names: str) -> list[object]:
    """All that is known of each: rows of the history without the token, and the state."""
    known = store.read(names, INDEX)
    rows = known.histories
    lines = zip(rows.rows_of, rows.item, rows.day, rows.quantity, rows.baskets, strict=True)
    return [known.states, [tuple(int(value) for value in line) for line in lines]]


@pytest.fixture
def filled(store: Store) -> Store:
    """Anna and Bela were loaded, Cara came by an event."""
    load(store, people(LINES))
    record(store, event(1, (ANNA, "wine", 2, 1)), event(2, (CARA, "bread", 2, 1)))
    return store


def test_everything_goes_with_the_person(filled: Store, tmp_path: Path) -> None:
    before = facts(filled, *EVERYBODY)
    receipt = filled.rekey(read_map(a_map(tmp_path, EVERYBODY)), now=NOW)
    assert facts(filled, *map(anew, EVERYBODY)) == before
    assert facts(filled, *EVERYBODY) == [(EMPTY_STATE,) * 3, []]
    assert filled.lineages() == {Lineage("rec", "02")}
    replaced = {"subjects": 3, "activity": 0, "events": 2, "audit_persons": 0, "baskets": 0}
    assert (receipt.replaced, receipt.unmapped) == (replaced, dict.fromkeys(replaced, 0))
    assert (receipt.recipient, receipt.applied_at, receipt.destroyed) == ("serving", NOW, False)
    assert filled.rekeyed(receipt.map_id) == receipt
    assert filled.rekeyed("f" * 32) is None
    assert record(filled, event(1, (anew(ANNA), "wine", 2, 1))) == Recorded(accepted=0, duplicates=1)


def test_both_epochs_are_known_until_the_map_comes(filled: Store, tmp_path: Path) -> None:
    before = facts(filled, *EVERYBODY)
    later = people([(anew(ANNA), "bread", 5, 4)], {anew(ANNA): ["training"]}, epoch="02")
    load(filled, later)
    assert filled.lineages() == {Lineage("rec", "01"), Lineage("rec", "02")}
    assert facts(filled, *EVERYBODY) == before
    anna = facts(filled, anew(ANNA))
    assert anna[0] == (State(consents=frozenset({"training"})),)
    filled.rekey(read_map(a_map(tmp_path, EVERYBODY)), now=NOW)
    assert facts(filled, anew(ANNA)) == anna  # what was loaded under the new token holds
    assert facts(filled, anew(BELA), anew(CARA))[1] != []
    assert filled.lineages() == {Lineage("rec", "02")}
    assert record(filled, event(1, (anew(ANNA), "wine", 2, 1))) == Recorded(accepted=0, duplicates=1)


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ([ANNA, BELA], "lacks 1 tokens"),
        ([token("anna", domain="partner")], "accepts: rec.01"),
        ([token("anna", epoch="07")], "begins at tokens of rec.07"),
    ],
)
def test_a_map_that_does_not_fit_changes_nothing(filled: Store, tmp_path: Path, names: list[str], message: str) -> None:
    before = facts(filled, *EVERYBODY)
    with pytest.raises(RecsysError, match=message):
        filled.rekey(read_map(a_map(tmp_path, names)), now=NOW)
    assert facts(filled, *EVERYBODY) == before
    assert filled.lineages() == {Lineage("rec", "01")}
    assert filled.rekeyed(f"{1:032x}") is None
    filled.rekey(read_map(a_map(tmp_path, EVERYBODY)), now=NOW)  # nothing of the failed one is in the way
    assert facts(filled, *map(anew, EVERYBODY)) == before


def busy(store: Store, name: str, arm: str = "popular") -> None:
    """The person was shown something, said something, and was decided for."""
    key = name[10:14]
    store.record(
        [
            told(f"x{key}", "exposure", subject=name),
            told(f"c{key}", "click", subject=name),
            told(f"n{key}", "dismissal", subject=name, item=f"i{key}"),
        ],
        now=NOW,
    )
    settle(store, settling(f"d{key}", f"o{key}", subject=name, arm=arm, remember_arm=True))
    change = PreferencesChange(consents={"training": yes()}, interests=(key,))
    store.change_preferences(name, change, now=NOW)


def test_what_came_through_the_service_goes_with_the_person(filled: Store, url: str, tmp_path: Path) -> None:
    busy(filled, ANNA)
    filled.idempotency.begin(b"k" * 32, b"f" * 32, now=NOW)
    filled.idempotency.finish(b"k" * 32, Replay(200, ANNA.encode()), [ANNA], now=NOW)
    before = filled.access(ANNA)
    filled.rekey(read_map(a_map(tmp_path, EVERYBODY)), now=NOW)
    after = filled.access(anew(ANNA))
    renamed = msgspec.json.decode(msgspec.json.encode(before).replace(ANNA.encode(), anew(ANNA).encode()))
    assert msgspec.json.decode(msgspec.json.encode(after)) == {**renamed, "stored_answers": 0}
    assert not filled.access(ANNA).held
    assert filled.decision(before.decisions[0].decision.decision_id) == after.decisions[0]
    assert filled.audit.verify().faults == ()
    if url.startswith("sqlite"):
        folder = Path(url.removeprefix("sqlite:///")).parent
        bytes_left = b"".join(file.read_bytes() for file in folder.glob("state.db*"))
        assert anew(ANNA).encode() in bytes_left
        assert ANNA.encode() not in bytes_left


def test_of_a_person_under_both_tokens_one_remains_with_all_that_was_said(filled: Store, tmp_path: Path) -> None:
    later = people([(anew(ANNA), "bread", 5, 4)], {anew(ANNA): ["profiling"]}, epoch="02")
    load(filled, later)
    busy(filled, ANNA, arm="popular")
    filled.record([told("new", "exposure", subject=anew(ANNA)), told("no", "dismissal", subject=anew(ANNA))], now=NOW)
    settle(filled, settling("dn", "on", subject=anew(ANNA), arm="personal", remember_arm=True))
    filled.rekey(read_map(a_map(tmp_path, EVERYBODY)), now=NOW)
    one = filled.access(anew(ANNA))
    assert one.arm == "popular"  # that of the first assignment
    assert len(one.exposures) == len(one.reservations) == len(one.decisions) == len(one.preferences.dismissals) == 2
    assert len(one.events) == 6
    assert filled.audit.verify().faults == ()
    deleted = filled.erase([anew(ANNA)], order_id="0" * 32, now=NOW).deleted
    assert deleted["audit_payloads"] == 4
    assert not filled.access(anew(ANNA)).held
    assert filled.audit.verify().faults == ()


def test_who_still_speaks_of_the_old_epoch_is_told_to_ask_again(filled: Store, tmp_path: Path) -> None:
    filled.rekey(read_map(a_map(tmp_path, EVERYBODY)), now=NOW)
    for write in (
        lambda: record(filled, event(9, (ANNA, "wine", 2, 1))),
        lambda: filled.record([told(9, "click")], now=NOW),
        lambda: settle(filled, settling("d9")),
        lambda: filled.change_preferences(ANNA, PreferencesChange(), now=NOW),
    ):
        with pytest.raises(StoreError, match="rekeyed meanwhile"):
            write()
    assert not filled.access(ANNA).held


def test_a_tombstone_lasts_as_long_as_its_epoch(filled: Store, tmp_path: Path) -> None:
    filled.erase([CARA, anew(CARA)], order_id="0" * 32, now=NOW)
    filled.rekey(read_map(a_map(tmp_path, EVERYBODY)), now=NOW)
    assert filled.erased([CARA, anew(CARA)]) == {anew(CARA)}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    with closing(create_store(f"sqlite:///{tmp_path / 'state.db'}")) as store:
        load(store, people(LINES))
        record(store, event(1, (ANNA, "wine", 2, 1)))
    a_map(tmp_path, [ANNA, BELA])
    return tmp_path


def options(folder: Path) -> tuple[object, ...]:
    return (folder / "map.parquet", "--state", f"sqlite:///{folder / 'state.db'}", "--out", folder / "receipt.json")


@pytest.mark.slow  # processes
def test_the_command_destroys_the_map_and_leaves_no_old_token(folder: Path) -> None:
    shutil.copy(folder / "map.parquet", folder / "copy")
    done = run("serving", "rekey", *options(folder), "--json")
    assert done.returncode == 0, done.stderr
    receipt = decode_document((folder / "receipt.json").read_bytes(), RekeyReceipt, where="receipt")
    assert receipt.destroyed
    assert decode_document(done.stdout.encode(), RekeyReceipt, where="stdout") == receipt
    assert not (folder / "map.parquet").exists()
    assert ANNA[:10].encode() not in (folder / "state.db").read_bytes()
    assert no_leftovers(folder)
    shutil.copy(folder / "copy", folder / "map.parquet")
    again = run("serving", "rekey", *options(folder))
    assert again.returncode == 0, again.stderr
    assert "applied already" in again.stderr
    assert decode_document((folder / "receipt.json").read_bytes(), RekeyReceipt, where="receipt") == receipt
    assert not (folder / "map.parquet").exists()
    assert_clear_failure(run("serving", "rekey", *options(folder)), "no such map", "applied and destroyed on")


def test_a_running_server_takes_new_tokens_at_once_and_old_ones_no_more(shop: Shop, state: str, tmp_path: Path) -> None:
    people = pl.concat([pl.read_parquet(shop.file(name)).select("subject") for name in ("purchases", "subjects")])
    map_file = a_map(tmp_path, people["subject"].to_list())
    with Server(*shop.serve_options(state)) as server:
        before = server.ask(DRINKER, count=20)["items"]
        rekey(map_file, state=state, out=tmp_path / "receipt.json")
        assert server.ask(anew(DRINKER), count=20)["items"] == before
        refused = server.http.post("/v1/decisions", json={"subject": DRINKER, "channel": "email"})
        assert "accepted here: rec.02" in refused.json()["detail"]


MAIN = "from serving.__main__ import main\n"


@pytest.mark.slow  # processes
def test_killed_anywhere_it_is_all_or_nothing(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    cases: Path = tmp_path_factory.mktemp("killed")
    arguments = ("rekey", "map.parquet", "--state", "sqlite:///state.db", "--out", "receipt.json")
    with closing(open_store(f"sqlite:///{folder / 'state.db'}")) as store:
        before = facts(store, ANNA, BELA)
    (left,) = kill_everywhere(MAIN, Scenario(folder, cases, arguments))
    applied = set()
    for case in left:
        with closing(open_store(f"sqlite:///{case / 'state.db'}")) as store:
            moved = store.lineages() == {Lineage("rec", "02")}
            assert facts(store, *(map(anew, (ANNA, BELA)) if moved else (ANNA, BELA))) == before
            applied.add(moved)
        assert moved or (case / "map.parquet").exists()
    assert len(left) > 4
    assert True in applied
