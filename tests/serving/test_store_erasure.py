"""What every store forgets, and what it keeps so that nobody comes back."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from support.lines import ANNA, BELA, CARA, NOW, event, load, people, record
from support.postgres import Postgres
from support.told import filled, settle, settling, told, yes

from recsys.contracts.access import SubjectAccess
from recsys.contracts.preferences import NewDismissal, PreferencesChange
from recsys.contracts.state import EMPTY_STATE, DismissalScope
from recsys.history import ItemIndex
from serving.stores import Claim, ErasedError, Recorded, Replay, Settled, Store, open_store

INDEX = ItemIndex.of(["beer", "milk"])
ORDER = "0" * 31 + "1"
KEY, PRINT = b"k" * 32, b"f" * 32


@pytest.fixture
def store(store: Store) -> Store:
    """Anna has done everything that there is, Bela bought something."""
    filled(store)
    record(store, event(1, (ANNA, "milk", 2, 1)), event(2, (BELA, "milk", 2, 1)))
    store.record([told(3, "exposure"), told(4, "click"), told(5, "dismissal")], now=NOW)
    settle(store, settling("d1", "o1", remember_arm=True), settling("d2", subject=BELA), settling("d3", "o2"))
    no_thanks = NewDismissal(scope=DismissalScope.BRAND, value="Nosuch")
    store.change_preferences(ANNA, PreferencesChange(consents={"training": yes()}, dismiss=(no_thanks,)), now=NOW)
    store.idempotency.begin(KEY, PRINT, now=NOW)
    store.idempotency.finish(KEY, Replay(200, f'{{"subject":"{ANNA}"}}'.encode()), [ANNA, BELA], now=NOW)
    return store


def test_an_access_export_holds_everything(store: Store) -> None:
    held = store.access(ANNA)
    assert held.held
    assert {one.item for one in held.purchases} == {"beer", "milk"}
    assert [one.event.event_id for one in held.events] == ["3", "4", "5", "e1"]
    assert [one.decision.decision_id for one in held.decisions] == ["d1", "d3"]
    assert held.decisions[0].decision.subject == ANNA
    assert [one.offer_id for one in (*held.exposures, *held.reservations, *held.responses)] == ["o1"] * 2 + ["o2", "o1"]
    assert (len(held.preferences.dismissals), held.arm, held.stored_answers) == (2, "personal", 1)
    assert "training" in held.preferences.consents
    assert msgspec.json.decode(msgspec.json.encode(held), type=SubjectAccess) == held


def test_after_an_erasure_nothing_is_held(store: Store, url: str) -> None:
    other = open_store(url)
    began = time.monotonic()
    receipt = store.erase([ANNA], order_id=ORDER, now=NOW)
    assert time.monotonic() - began < 1
    assert receipt.deleted == {"subjects": 1, "activity": 1, "events": 4, "answers": 1, "audit_payloads": 4}
    assert ANNA not in str(receipt)
    for each in (store, other):
        assert each.access(ANNA) == SubjectAccess(subject=ANNA, held=False)
        known = each.read([ANNA], INDEX)
        assert (known.states[0], len(known.histories.item)) == (EMPTY_STATE, 0)
        assert each.decision("d1") is None
        assert each.erased([ANNA, BELA]) == {ANNA}
    assert store.idempotency.begin(KEY, PRINT, now=NOW) is Claim.NEW
    assert len(store.read([BELA], INDEX).histories.item) == 1
    assert store.decision("d2") is not None
    other.close()


@pytest.mark.slow
def test_a_person_of_many_decisions_is_erased_within_a_second(store: Store) -> None:
    """The quicker of two people: another program may hold up one of them."""
    crowd = (BELA, CARA)
    for start in range(0, 4000, 200):
        settle(store, *(settling(f"m{start + n}", subject=crowd[n % 2]) for n in range(200)))
    taken = []
    for number, name in enumerate(crowd):
        began = time.monotonic()
        receipt = store.erase([name], order_id=f"{number + 7:032x}", now=NOW)
        taken.append(time.monotonic() - began)
        assert receipt.deleted["audit_payloads"] >= 2000
    assert min(taken) < 1
    assert store.audit.verify().faults == ()


def test_the_chain_verifies_and_says_how_many_were_forgotten(store: Store) -> None:
    before = store.audit.verify()
    assert (before.erased, before.faults) == (0, ())
    store.erase([ANNA], order_id=ORDER, now=NOW)
    after = store.audit.verify()
    assert (after.records, after.erased, after.faults) == (before.records + 1, 4, ())


def test_the_same_order_again_gives_the_same_receipt(store: Store) -> None:
    first = store.erase([ANNA], order_id=ORDER, now=NOW)
    assert store.erase([ANNA], order_id=ORDER, now=NOW.replace(hour=23)) == first
    other = store.erase([ANNA], order_id="0" * 32, now=NOW)
    assert other.deleted == {}
    assert store.audit.verify().faults == ()


def test_nobody_comes_back(store: Store) -> None:
    store.erase([ANNA], order_id=ORDER, now=NOW)
    late = [told(6, "exposure"), told(7, "click", subject=BELA), told(8, "dismissal")]
    assert store.record(late, now=NOW) == Recorded(1, 0, erased=(0, 2))
    assert record(store, event(9, (ANNA, "milk", 3, 1))) == Recorded(0, 0, erased=(0,))
    with pytest.raises(ErasedError):
        store.change_preferences(ANNA, PreferencesChange(consents={"profiling": yes()}), now=NOW)
    assert settle(store, settling("d4", "o1"), settling("d5", subject=BELA)) == [
        Settled(written=False, erased=True),
        Settled(written=True),
    ]
    store.idempotency.begin(KEY, PRINT, now=NOW)
    store.idempotency.finish(KEY, Replay(200, ANNA.encode()), [ANNA], now=NOW)
    assert load(store, people([(ANNA, "beer", 0, 2), (BELA, "beer", 0, 1)], {ANNA: ["profiling"]})) == 1
    assert store.access(ANNA) == SubjectAccess(subject=ANNA, held=False)
    assert not any(ANNA in part["subject"].to_list() for part in store.exports.subjects())


def test_who_was_never_there_may_be_erased_and_is_kept_away(store: Store) -> None:
    assert store.erase([CARA], order_id=ORDER, now=NOW).deleted == {}
    assert store.record([told(6, "click", subject=CARA)], now=NOW).erased == (0,)


@pytest.fixture
def files(url: str, request: pytest.FixtureRequest) -> Callable[[], bytes]:
    """Every byte of the files in which the store keeps its tables."""
    if url.startswith("sqlite:///"):
        path = Path(url.removeprefix("sqlite:///"))
        return lambda: b"".join(file.read_bytes() for file in sorted(path.parent.glob(f"{path.name}*")))
    server: Postgres = request.getfixturevalue("postgres")
    name = url.partition("?")[0].rpartition("/")[2]

    def read() -> bytes:
        server.execute("CHECKPOINT")
        folder = server.folder / "base" / server.ask(f"SELECT oid FROM pg_database WHERE datname = '{name}'")  # noqa: S608 - our own name
        return b"".join(file.read_bytes() for file in sorted(folder.iterdir()))

    return read


def test_no_byte_of_the_token_is_left_after_vacuum(store: Store, files: Callable[[], bytes]) -> None:
    random_part = ANNA.rpartition(".")[2].encode()
    assert random_part in files()  # the control: the search finds what is there
    assert b"Nosuch" in files()
    store.erase([ANNA], order_id=ORDER, now=NOW)
    store.vacuum()
    left = files()
    assert random_part not in left
    assert b"Nosuch" not in left
    assert BELA.encode() in left
    assert store.audit.verify().faults == ()
