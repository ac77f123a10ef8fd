"""Two tokens become one person, or one becomes two: what every store does with a relink order, and the command."""

from __future__ import annotations

import datetime as dt
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.commands import assert_clear_failure, no_leftovers, run
from support.killed import Scenario, kill_everywhere
from support.lines import ANNA, BELA, CARA, DAY, Line, event, load, people, record
from support.links import relink_order
from support.server import Server
from support.shop import DRINKER, Shop
from support.tokens import token
from support.told import HOUR, no, per_offer, settle, settling, told, yes

from recsys.contracts.document import decode_document
from recsys.contracts.preferences import NewDismissal, PreferencesChange
from recsys.contracts.relink import RelinkReceipt, read_order
from recsys.contracts.state import DismissalScope
from recsys.errors import RecsysError
from recsys.history import ItemIndex
from serving.stores import Replay, Store, create_store, open_store
from serving.stores.activity import Activity, Said
from serving.stores.uniting import Held, Loaded, united

INDEX = ItemIndex.of(["beer", "milk", "bread", "wine"])
NOW = dt.datetime(2024, 6, 1, tzinfo=dt.UTC)
MAIL = token("anna@web")
LINES: list[Line] = [(ANNA, "beer", 0, 2), (MAIL, "beer", 0, 1), (MAIL, "milk", 1, 1), (BELA, "milk", 1, 3)]
AGREED = {
    ANNA: ["profiling", "channel:till", "training"],
    MAIL: ["profiling", "channel:email"],
    BELA: ["profiling"],
}
T1, T2 = token("receipt 1"), token("receipt 2")


@pytest.fixture
def filled(store: Store) -> Store:
    """Anna was loaded under two tokens, Bela under one; Cara came by an event."""
    load(store, people(LINES, AGREED))
    record(store, event(1, (CARA, "bread", 2, 1)))
    return store


def joined(store: Store, folder: Path, *pairs: tuple[str, str], number: int = 1, skip: bool = False) -> RelinkReceipt:
    order = relink_order(folder / "o.parquet", pairs or [(MAIL, ANNA)], number=number, recipient="serving")
    return store.relink(read_order(order), skip=skip, now=NOW)


def parted(store: Store, folder: Path, *baskets: tuple[str, str]) -> RelinkReceipt:
    rows = [(ANNA, MAIL, None), *((ANNA, whose, basket) for whose, basket in baskets)]
    order = relink_order(folder / "o.parquet", (), rows, number=2, recipient="serving")
    return store.relink(read_order(order), skip=False, now=NOW)


def bought(store: Store, name: str) -> dict[tuple[str, int], float]:
    """What was bought on which day after `DAY`."""
    days = store.access(name).purchases
    return {(one.item, (one.day - DAY).days): one.quantity for one in days}


def test_histories_are_one_and_the_stricter_consent_wins(filled: Store, tmp_path: Path) -> None:
    record(filled, event(2, (MAIL, "wine", 3, 1)))
    receipt = joined(filled, tmp_path)
    assert bought(filled, ANNA) == {("beer", 0): 3.0, ("milk", 1): 1.0, ("wine", 3): 1.0}
    (state,) = filled.read([ANNA], INDEX).states
    assert state.consents == {"profiling"}
    assert not filled.access(MAIL).held
    assert filled.access(BELA).held
    assert receipt.joined == {"subjects": 1, "activity": 0, "events": 1, "audit_persons": 0}
    assert (receipt.recipient, receipt.number, receipt.erased) == ("serving", 1, 0)
    assert filled.relinked(receipt.order_id) == receipt
    assert filled.relinked("f" * 32) is None
    again = record(filled, event(2, (ANNA, "wine", 3, 1)))
    assert (again.accepted, again.duplicates) == (0, 1)
    load(filled, people([(ANNA, "beer", 0, 3)], {ANNA: AGREED[ANNA]}))  # the gate speaks of one person from now on
    assert bought(filled, ANNA) == {("beer", 0): 3.0, ("wine", 3): 1.0}


@pytest.mark.parametrize(("first", "second"), [(yes(), no(NOW - HOUR)), (no(NOW - HOUR), yes())])
def test_a_no_said_under_either_token_is_a_no_however_old(
    filled: Store, tmp_path: Path, first: object, second: object
) -> None:
    for name, said in ((ANNA, first), (MAIL, second)):
        filled.change_preferences(name, PreferencesChange(consents={"profiling": said}), now=NOW)
    joined(filled, tmp_path)
    assert "profiling" not in filled.read([ANNA], INDEX).states[0].consents
    late = PreferencesChange(consents={"profiling": yes(yes().at - HOUR / 2)})
    assert not filled.change_preferences(ANNA, late, now=NOW).consents["profiling"].granted
    anew = PreferencesChange(consents={"profiling": yes(NOW + HOUR)})
    assert filled.change_preferences(ANNA, anew, now=NOW + HOUR).consents["profiling"].granted


def test_exposures_dismissals_and_the_log_go_with_the_person_and_caps_add(filled: Store, tmp_path: Path) -> None:
    shown = [told(f"x{n}", "exposure", subject=name, at=NOW) for n, name in enumerate((ANNA, MAIL))]
    filled.record(shown, now=NOW)
    for name, item in ((ANNA, "beer"), (MAIL, "wine")):
        dismissed = NewDismissal(scope=DismissalScope.ITEM, value=item)
        filled.change_preferences(name, PreferencesChange(dismiss=(dismissed,), interests=(item,)), now=NOW)
    settle(filled, settling("d1", subject=MAIL), now=NOW)
    filled.idempotency.begin(b"k" * 32, b"f" * 32, now=NOW)
    filled.idempotency.finish(b"k" * 32, Replay(200, MAIL.encode()), [MAIL], now=NOW)
    joined(filled, tmp_path)
    one = filled.access(ANNA)
    assert len(one.exposures) == 2
    assert {said.value for said in one.preferences.dismissals} == {"beer", "wine"}
    assert one.preferences.interests == ("beer", "wine")
    assert [record.decision.decision_id for record in one.decisions] == ["d1"]
    assert [change.kind for change in one.changes].count("relink") == 1
    assert one.stored_answers == 0
    (refused,) = settle(filled, settling("d2", "o1", caps=(per_offer(2),)), now=NOW)
    assert refused.refused == ("o1",)  # one under each token
    assert filled.audit.verify().faults == ()
    deleted = filled.erase([ANNA], order_id="0" * 32, now=NOW).deleted
    assert deleted["audit_payloads"] == 4
    assert filled.audit.verify().faults == ()


@pytest.mark.parametrize("older", [ANNA, MAIL])
def test_the_older_arm_stays(filled: Store, tmp_path: Path, older: str) -> None:
    newer = MAIL if older == ANNA else ANNA
    for name, arm, at in ((older, "popular", NOW - HOUR), (newer, "personal", NOW)):
        settle(filled, settling(f"d{arm}", subject=name, arm=arm, remember_arm=True), now=at)
    joined(filled, tmp_path)
    assert filled.access(ANNA).arm == "popular"


def test_obeyed_once_and_in_order(filled: Store, tmp_path: Path) -> None:
    third = relink_order(tmp_path / "3.parquet", [(MAIL, ANNA)], number=3, parted=2, recipient="serving")
    with pytest.raises(RecsysError, match="order 2, which parts people, comes first"):
        filled.relink(read_order(third), skip=False, now=NOW)
    assert filled.access(MAIL).held
    receipt = filled.relink(read_order(third), skip=True, now=NOW)
    record(filled, event(9, (MAIL, "wine", 4, 1)))  # somebody still speaks of the former token
    assert filled.relink(read_order(third), skip=True, now=NOW + HOUR) == receipt
    with pytest.raises(RecsysError, match="order 3 was applied already"):
        joined(filled, tmp_path, number=2)
    assert filled.read([MAIL], INDEX).states[0].consents == frozenset()  # whoever that is agreed to nothing
    fourth = relink_order(tmp_path / "4.parquet", [(MAIL, ANNA)], number=4, parted=2, recipient="serving")
    filled.relink(read_order(fourth), skip=False, now=NOW)
    assert ("wine", 4) in bought(filled, ANNA)


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ({"recipient": "training"}, "is for another recipient"),
        ({"recipient": "serving", "epochs": ("01",)}, "epoch 02"),
    ],
)
def test_an_order_that_does_not_fit_changes_nothing(
    filled: Store, tmp_path: Path, said: dict[str, object], message: str
) -> None:
    load(filled, people([(token("anna", epoch="02"), "beer", 0, 1)], {token("anna", epoch="02"): []}, epoch="02"))
    order = read_order(relink_order(tmp_path / "o.parquet", [(MAIL, ANNA)], **said))
    with pytest.raises(RecsysError, match=message):
        filled.relink(order, skip=False, now=NOW)
    assert filled.access(MAIL).held
    assert filled.relinked(order.header.order_id) is None


@pytest.mark.parametrize("gone", [ANNA, MAIL])
def test_nobody_is_joined_with_the_erased_nor_parted_into_them(filled: Store, tmp_path: Path, gone: str) -> None:
    filled.erase([gone], order_id="0" * 32, now=NOW)
    assert joined(filled, tmp_path).erased == 1
    assert [filled.access(name).held for name in (ANNA, MAIL)] == [name != gone for name in (ANNA, MAIL)]
    parted(filled, tmp_path, (MAIL, T1))
    assert not filled.access(gone).held


def test_parted_what_was_refused_and_shown_counts_for_both_and_consents_for_nobody(
    filled: Store, tmp_path: Path
) -> None:
    joined(filled, tmp_path)
    later = [event(7, (ANNA, "wine", 5, 1), basket=T1), event(8, (ANNA, "bread", 5, 1), basket=T2)]
    record(filled, *later, event(9, (ANNA, "milk", 6, 1)))
    filled.record([told("x", "exposure", at=NOW)], now=NOW)
    said = {"channel:email": no(), "channel:app": yes()}
    filled.change_preferences(ANNA, PreferencesChange(consents=said, interests=("wine",)), now=NOW)
    settle(filled, settling("d", arm="popular", remember_arm=True), now=NOW)
    receipt = parted(filled, tmp_path, (ANNA, T1), (MAIL, T2))
    assert bought(filled, ANNA) == {("wine", 5): 1.0}
    assert bought(filled, MAIL) == {("bread", 5): 1.0}
    for name in (ANNA, MAIL):
        (state,) = filled.read([name], INDEX).states
        assert (state.consents, state.arm, state.interests) == (frozenset(), "popular", ())
        assert len(state.exposures) == 1
        assert not filled.preferences(name).consents["channel:email"].granted
    assert (receipt.parted, receipt.removed) == ({"events": 2}, {"subjects": 1, "events": 1})
    assert record(filled, event(9, (ANNA, "milk", 6, 1))).duplicates == 1
    assert len(filled.access(ANNA).decisions) == 1
    assert filled.audit.verify().faults == ()
    load(filled, people([(ANNA, "beer", 0, 2), (MAIL, "milk", 1, 1)], {ANNA: ["profiling"], MAIL: []}))
    assert filled.read([ANNA], INDEX).states[0].consents == {"profiling"}
    assert bought(filled, MAIL) == {("milk", 1): 1.0, ("bread", 5): 1.0}


purposes = st.sampled_from(["profiling", "channel:email", "training"])
answers = st.builds(lambda say, hours: say(NOW + hours * HOUR), st.sampled_from([yes, no]), st.integers(0, 9))
spoken = st.dictionaries(purposes, answers)
agreed = st.sets(purposes).map(lambda names: tuple(sorted(names)))
files = st.none() | st.builds(Loaded, consents=agreed, adult=st.none() | st.booleans())
records = st.lists(st.builds(lambda file, said: Held(file, Activity(said=Said(said))), files, spoken), min_size=1)


@pytest.mark.slow
@settings(max_examples=200, deadline=None)
@given(parts=records, data=st.data())
def test_the_law_of_joining(parts: list[Held], data: st.DataObject) -> None:
    one = united(parts, None)
    for purpose in ("profiling", "channel:email", "training"):
        given_ = {part.agrees(purpose) for part in parts}
        assert (one.agrees(purpose) is True) == (True in given_ and False not in given_)
    verified = {part.loaded.adult for part in parts if part.loaded}
    assert (one.loaded is not None and one.loaded.adult is True) == (verified == {True})
    turned = united(data.draw(st.permutations(parts)), None)
    assert {p: turned.agrees(p) for p in one.purposes()} == {p: one.agrees(p) for p in one.purposes()}
    assert united([one], None) == one


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    with closing(create_store(f"sqlite:///{tmp_path / 'state.db'}")) as store:
        load(store, people(LINES, AGREED))
    relink_order(tmp_path / "order.parquet", [(MAIL, ANNA)], recipient="serving")
    return tmp_path


@pytest.mark.slow  # processes
def test_the_command_leaves_no_former_token_and_says_the_same_twice(folder: Path) -> None:
    words = (folder / "order.parquet", "--state", f"sqlite:///{folder / 'state.db'}", "--out", folder / "r.json")
    done = run("serving", "relink", *words, "--json")
    assert done.returncode == 0, done.stderr
    receipt = decode_document((folder / "r.json").read_bytes(), RelinkReceipt, where="receipt")
    assert decode_document(done.stdout.encode(), RelinkReceipt, where="stdout") == receipt
    assert MAIL.encode() not in (folder / "state.db").read_bytes()
    again = run("serving", "relink", *words)
    assert "Obeyed already" in again.stderr
    assert decode_document((folder / "r.json").read_bytes(), RelinkReceipt, where="receipt") == receipt
    assert no_leftovers(folder)
    other = relink_order(folder / "other.parquet", [(MAIL, ANNA)], number=5)
    assert_clear_failure(run("serving", "relink", other, *words[1:]), "is for another recipient")


MAIN = "from serving.__main__ import main\n"


@pytest.mark.slow  # processes
def test_killed_anywhere_it_is_all_or_nothing(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    arguments = ("relink", "order.parquet", "--state", "sqlite:///state.db", "--out", "receipt.json")
    (left,) = kill_everywhere(MAIN, Scenario(folder, tmp_path_factory.mktemp("killed"), arguments))
    outcomes = set()
    for case in left:
        with closing(open_store(f"sqlite:///{case / 'state.db'}")) as store:
            done = store.relinked(f"{1:032x}") is not None
            assert store.access(MAIL).held is not done
            assert bought(store, ANNA)["beer", 0] == (3.0 if done else 2.0)
            outcomes.add(done)
    assert True in outcomes


@pytest.mark.slow  # a server
def test_a_running_server_obeys_the_stricter_consent_at_once(shop: Shop, state: str, tmp_path: Path) -> None:
    """Somebody else's no, said over HTTP under another token, makes the drinker's list impersonal."""
    stranger = token("the drinker, on the web")
    with Server(*shop.serve_options(state)) as server:
        before = server.ask(DRINKER, count=5)
        assert before["fill"] == "personal"
        said = {"consents": {"profiling": {"granted": False, "at": "2017-11-26T08:00:00Z", "source": "web"}}}
        answer = server.http.put("/v1/preferences", json={"subject": stranger, **said})
        assert answer.status_code == 200, answer.text
        order = relink_order(tmp_path / "order.parquet", [(stranger, DRINKER)], recipient="serving")
        done = run("serving", "relink", order, "--state", state)
        assert done.returncode == 0, done.stderr
        assert server.ask(DRINKER, count=5)["fill"] != "personal"
        held = server.http.post("/v1/preferences/read", json={"subject": DRINKER}).json()
        assert held["consents"]["profiling"]["granted"] is False
