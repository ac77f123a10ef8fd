"""POST /v1/events, over real HTTP: what happened counts once, and the very next decision knows it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
from support.server import Server, key_for
from support.shop import BEER, DRINKER, FOREIGN, FRESH, MILK, NOW, STRANGER, TEST, WINE, Shop
from support.tokens import token

from recsys.history import ItemIndex
from serving.stores import open_store

ALCOHOL = {"offer-beer-1", "offer-wine-1"}
INDEX = ItemIndex.of([MILK, BEER, WINE, TEST])
NOTHING = {"accepted": 0, "duplicates": 0, "dropped": 0, "rejected": []}


@pytest.fixture(scope="module")
def state(shop: Shop, loaded: Path) -> str:
    """The state that these tests report to."""
    return f"sqlite:///{shutil.copy(loaded, shop.folder / 'events.db')}"


@pytest.fixture(scope="module")
def server(shop: Shop, state: str) -> Iterator[Server]:
    with Server(*shop.serve_options(state)) as running:
        yield running


@pytest.fixture
def fresh(people: Iterator[str]) -> str:
    """Somebody who agreed to everything and whom no other test knows."""
    return next(people)


@pytest.fixture(scope="module")
def people() -> Iterator[str]:
    return iter(FRESH)


def event(name: object, subject: str, item: str = MILK, **more: object) -> dict[str, object]:
    """A purchase of a litre of milk this morning, unless something else is said."""
    bought = {"event_id": f"{name}", "type": "purchase", "subject": subject, "item": item, "at": NOW, "quantity": 1}
    return {**bought, **more}


def offered_alcohol(server: Server, subject: str) -> bool:
    decision = server.ask(subject, count=20)
    return bool(ALCOHOL & {item["offer_id"] for item in decision["items"]})


def held(state: str, subject: str) -> dict[str, float]:
    """Item to quantity, as the store has it."""
    with closing(open_store(state)) as store:
        known = store.read([subject], INDEX).histories
    totals: dict[str, float] = {}
    for item, quantity in zip(known.item, known.quantity, strict=True):
        totals[INDEX.names[item]] = totals.get(INDEX.names[item], 0.0) + float(quantity)
    return totals


def test_the_second_day_with_beer_opens_beer_at_once_and_a_return_closes_it(server: Server, fresh: str) -> None:
    before = [event("gate.0", fresh), event("gate.1", fresh, BEER, at="2017-11-20T18:00:00Z")]
    assert server.tell(*before) == {**NOTHING, "accepted": 2}
    assert not offered_alcohol(server, fresh)
    server.tell(event("gate.2", fresh, BEER, at="2017-11-20T19:00:00Z"))
    assert not offered_alcohol(server, fresh)  # the same day twice is one day
    server.tell(event("gate.3", fresh, BEER, at="2017-11-24T18:00:00Z"))
    assert offered_alcohol(server, fresh)
    server.tell(event("gate.4", fresh, BEER, type="return", at="2017-11-25T10:00:00Z"))
    assert not offered_alcohol(server, fresh)


def test_a_purchase_of_long_ago_opens_nothing(server: Server, fresh: str) -> None:
    old = [event(f"old.{day}", fresh, WINE, at=f"2017-01-{day}T12:00:00Z") for day in (10, 11, 12)]
    assert server.tell(*old)["accepted"] == 3
    assert not offered_alcohol(server, fresh)


def test_a_day_is_a_day_in_utc(server: Server, fresh: str) -> None:
    late = [
        event("utc.1", fresh, BEER, at="2017-11-20T23:30:00Z"),
        event("utc.2", fresh, BEER, at="2017-11-21T01:30:00+02:00"),
    ]
    server.tell(*late)
    assert not offered_alcohol(server, fresh)
    server.tell(event("utc.3", fresh, BEER, at="2017-11-20T23:30:00-01:00"))
    assert offered_alcohol(server, fresh)


def test_what_is_sent_again_changes_nothing(server: Server, state: str, fresh: str) -> None:
    batch = [event("again.1", fresh), event("again.2", fresh, quantity=2.5), event("again.1", fresh)]
    assert server.tell(*batch) == {**NOTHING, "accepted": 2, "duplicates": 1}
    assert server.tell(*batch) == {**NOTHING, "accepted": 0, "duplicates": 3}
    assert held(state, fresh) == {MILK: 3.5}


def test_a_single_event_needs_no_array(server: Server, state: str, fresh: str) -> None:
    response = server.http.post("/v1/events", json=event("single.1", fresh))
    assert (response.status_code, response.json()) == (200, {**NOTHING, "accepted": 1})
    assert held(state, fresh) == {MILK: 1}


def test_of_what_is_never_offered_nothing_is_kept(server: Server, state: str, fresh: str) -> None:
    batch = [event("never.1", fresh, TEST), event("never.2", fresh)]
    assert server.tell(*batch) == {**NOTHING, "accepted": 2, "dropped": 1}
    assert server.tell(*batch) == {**NOTHING, "accepted": 1, "duplicates": 1, "dropped": 1}
    assert held(state, fresh) == {MILK: 1}
    content = Path(state.removeprefix("sqlite:///")).read_bytes() + Path(f"{state[10:]}-wal").read_bytes()
    assert b"never.1" not in content
    assert b"never.2" in content


def test_a_purchase_gives_no_consent(server: Server) -> None:
    unseen = token("came by event")
    assert server.tell(event("unseen.1", unseen))["accepted"] == 1
    assert server.ask(unseen)["fill"] == "none"


REFUSED = {
    "unknown item": ({"item": "caviar-9"}, "$.item: not in the catalogue"),
    "no item": ({"item": None}, "$: a purchase or return names an item and a quantity"),
    "no quantity": ({"quantity": None}, "$: a purchase or return names an item and a quantity"),
    "in the future": ({"at": "2017-11-27T10:00:00Z"}, "$.at: lies in the future; check the sender's clock"),
    "far in the future": ({"at": "9999-12-31T23:59:59-11:00"}, "$.at: lies in the future; check the sender's clock"),
    "before 1970": ({"at": "1969-12-31T23:59:59Z"}, "$.at: lies before 1970; check the sender's clock"),
    "at the beginning": ({"at": "0001-01-01T00:00:00+11:00"}, "$.at: lies before 1970; check the sender's clock"),
    "no offset": ({"at": "2017-11-27T09:00:00"}, "$.at: expected `datetime` with a timezone component"),
    "an exposure of nothing": ({"type": "exposure", "channel": "email"}, "$: what is of type exposure names an offer"),
    "an exposure nowhere": ({"type": "exposure", "offer_id": "offer-milk-1"}, "$: an exposure names the channel"),
    "a click on nothing": ({"type": "click"}, "$: what is of type click names an offer_id"),
    "a dismissal of nothing": ({"type": "dismissal", "item": None}, "$: a dismissal names an offer_id or an item"),
    "an unknown offer": ({"type": "click", "offer_id": "offer-of-another-shop"}, "$.offer_id: not among the offers"),
    "a foreign decision": (
        {"type": "click", "offer_id": "offer-milk-1", "decision_id": "4711"},
        "$.decision_id: not the id of a decision",
    ),
    "no such type": ({"type": "theft"}, "$.type: not one of the allowed values"),
    "nothing sold": ({"quantity": 0}, "$.quantity: expected `float` > 0.0"),
    "a quantity as text": ({"quantity": "2"}, "$.quantity: expected `float | null`, got `str`"),
    "a negative price": ({"value": -1}, "$.value: expected `float` >= 0.0"),
    "an unknown field": ({"e-mail": "x"}, "$: object contains a field that the contract does not know"),
    "a partner's token": (
        {"subject": FOREIGN},
        "$.subject: a token of another domain or epoch (accepted here: rec.01)",
    ),
    "a partner's receipt": (
        {"basket": FOREIGN},
        "$.basket: a token of another domain or epoch (accepted here: rec.01)",
    ),
    "no token": ({"subject": "4711"}, "$.subject: not a token (what was sent is not repeated here)"),
    "almost a token": ({"subject": f"{STRANGER}\n"}, "$.subject: not a token (what was sent is not repeated here)"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_taken_is_rejected_and_the_rest_recorded(case: str, server: Server) -> None:
    change, reason = REFUSED[case]
    good = [event(f"good.{list(REFUSED).index(case)}.{number}", STRANGER) for number in range(2)]
    bad = {key: value for key, value in {**event("bad", STRANGER), **change}.items() if value is not None}
    reply = server.tell(good[0], bad, good[1])
    assert (reply["accepted"], reply["duplicates"], reply["dropped"]) == (2, 0, 0)
    [rejected] = reply["rejected"]
    assert (rejected["index"], rejected["event_id"]) == (1, "bad")
    assert rejected["reason"].startswith(reason)


def test_an_event_id_is_repeated_only_if_it_is_one(server: Server) -> None:
    reply = server.tell(event("anna.berg@example.org", STRANGER), {"type": "purchase"}, "anna.berg@example.org", 7)
    assert [(event["index"], "event_id" in event) for event in reply["rejected"]] == [(n, False) for n in range(4)]
    assert "anna" not in str(reply)


def test_clocks_may_differ_by_some_minutes(server: Server) -> None:
    assert server.tell(event("ahead", STRANGER, at="2017-11-27T09:04:30Z"))["accepted"] == 1


def test_everything_that_was_sent_is_accounted_for(server: Server, fresh: str) -> None:
    reply = server.tell(event("sum.1", fresh), event("sum.1", fresh), event("sum.2", fresh, TEST), event("sum.3", "x"))
    assert reply["accepted"] + reply["duplicates"] + len(reply["rejected"]) == 4


def test_many_tills_at_once_are_all_counted_once(server: Server, state: str, fresh: str) -> None:
    batches = [[event(f"till.{n}.{k}", fresh) for k in range(10)] for n in range(30)]
    with ThreadPoolExecutor(8) as pool:
        replies = list(pool.map(lambda n: server.tell(*batches[n % 30]), range(60)))
        decisions = list(pool.map(lambda _: server.ask(fresh), range(8)))
    assert sum(reply["accepted"] for reply in replies) == 300
    assert sum(reply["duplicates"] for reply in replies) == 300
    assert held(state, fresh) == {MILK: 300}
    assert all(decision["items"] for decision in decisions)


def test_what_was_recorded_survives_a_restart(shop: Shop, loaded: Path, tmp_path: Path) -> None:
    state, subject = f"sqlite:///{shutil.copy(loaded, tmp_path / 'restart.db')}", FRESH[0]
    beers = [event(f"beer.{day}", subject, BEER, at=f"2017-11-{day}T18:00:00Z") for day in (20, 24)]
    with Server(*shop.serve_options(state)) as server:
        assert server.tell(event("milk", subject), *beers)["accepted"] == 3
        before = server.ask(subject, count=20)
    with Server(*shop.serve_options(state)) as server:
        assert server.ask(subject, count=20)["items"] == before["items"]
        assert offered_alcohol(server, subject)
        assert server.tell(*beers) == {**NOTHING, "duplicates": 2}


def test_what_was_withheld_is_said_only_to_who_may_know(server: Server) -> None:
    deciding = {"authorization": f"Bearer {key_for(server.state, ['decide'])}"}
    for subject in (DRINKER, STRANGER):
        asked = {"subject": subject, "channel": "email"}
        assert "withheld" not in server.http.post("/v1/decisions", json=asked, headers=deciding).json()
        assert "withheld" in server.ask(subject)
