"""Preferences, access, erasure, session-only consent and the privacy control signal, over HTTP."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.search import contents, found
from support.server import Server, problem
from support.shop import DRINKER, FOREIGN, FRESH, MILK, NOW, STRANGER, UNPROFILED, UNREACHABLE, Shop
from support.tokens import token

pytestmark = pytest.mark.slow

WINE = "offer-wine-1"
AHEAD = "2017-11-27T09:04:30Z"
CONSENT = {"granted": True, "at": "2017-11-27T08:00:00Z", "source": "app-4.2"}


@pytest.fixture(scope="module")
def server(shop: Shop, loaded: Path) -> Iterator[Server]:
    state = shutil.copy(loaded, shop.folder / "people.db")
    with Server(*shop.serve_options(f"sqlite:///{state}")) as running:
        yield running


def preferences(server: Server, subject: str) -> dict[str, Any]:
    response = server.http.post("/v1/preferences/read", json={"subject": subject})
    assert response.status_code == 200, response.text
    return dict(response.json())


def change(server: Server, subject: str, headers: dict[str, str] | None = None, **what: object) -> dict[str, Any]:
    response = server.http.put("/v1/preferences", json={"subject": subject, **what}, headers=headers or {})
    assert response.status_code == 200, response.text
    return dict(response.json())


def access(server: Server, subject: str) -> dict[str, Any]:
    return dict(server.http.post("/v1/subjects/access", json={"subject": subject}).json())


def listed(server: Server, subject: str, **more: object) -> set[str]:
    return {item["offer_id"] for item in server.ask(subject, count=20, **more)["items"]}


def test_consents_open_and_close_at_once(server: Server) -> None:
    subject = STRANGER
    assert server.ask(subject)["fill"] == "none"
    held = change(server, subject, consents={"channel:email": CONSENT})
    assert held["consents"]["channel:email"] == CONSENT
    assert server.ask(subject, count=3)["fill"] == "popular"
    later = {**CONSENT, "granted": False, "at": "2017-11-27T08:30:00Z"}
    change(server, subject, consents={"channel:email": later})
    assert server.ask(subject)["fill"] == "none"
    change(server, subject, consents={"channel:email": CONSENT})  # an older yes that arrives late
    assert server.ask(subject)["fill"] == "none"
    assert preferences(server, subject)["consents"]["channel:email"] == later


@pytest.mark.parametrize("at", ["2017-11-27T11:00:00Z", "1969-12-31T00:00:00Z"])
def test_a_consent_from_another_time_is_refused(at: str, server: Server) -> None:
    body = {"subject": STRANGER, "consents": {"profiling": {**CONSENT, "at": at}}}
    assert problem(server.http.put("/v1/preferences", json=body), 422)["type"] == "urn:recsys:problem:contract"


def test_a_dismissal_acts_on_the_next_decision_and_can_be_taken_back(server: Server) -> None:
    assert WINE in listed(server, DRINKER)
    held = change(server, DRINKER, dismiss=[{"scope": "category", "value": "DRINK / WINE", "reason": "not-for-me"}])
    [dismissed] = held["dismissals"]
    assert (dismissed["scope"], dismissed["value"], dismissed["reason"]) == ("category", "DRINK / WINE", "not-for-me")
    assert WINE not in listed(server, DRINKER)
    assert change(server, DRINKER, undo=[dismissed["dismissal_id"]]).get("dismissals", []) == []
    assert WINE in listed(server, DRINKER)


def test_a_dismissal_may_come_as_an_event(server: Server) -> None:
    """From a sender whose clock is ahead of the server's; it holds at once all the same."""
    assert "offer-milk-1" in listed(server, DRINKER)
    said = {"event_id": "no.1", "type": "dismissal", "subject": DRINKER, "at": AHEAD, "offer_id": "offer-milk-1"}
    assert server.tell(said)["accepted"] == 1
    assert "offer-milk-1" not in listed(server, DRINKER)
    assert preferences(server, DRINKER)["dismissals"][0]["value"] == "offer-milk-1"


def test_a_declared_interest_makes_the_list_the_segments(server: Server) -> None:
    assert server.ask(UNPROFILED, count=3)["fill"] == "popular"
    change(server, UNPROFILED, interests=["cheese"])
    decision = server.ask(UNPROFILED, count=3)
    assert (decision["fill"], decision["items"][0]["offer_id"]) == ("segment", "offer-cheese-1")


def test_session_consent_holds_for_one_decision_only(server: Server) -> None:
    """UNREACHABLE agreed to profiling and to no channel."""
    assert server.ask(UNREACHABLE)["fill"] == "none"
    assert server.ask(UNREACHABLE, session_consents=["channel:email"])["fill"] in {"personal", "short"}
    assert server.ask(UNREACHABLE)["fill"] == "none"
    assert "channel:email" not in preferences(server, UNREACHABLE)["consents"]
    refused = {"subject": UNREACHABLE, "channel": "email", "session_consents": ["training"]}
    problem(server.http.post("/v1/decisions", json=refused), 422)


@pytest.mark.parametrize("relayed", [{"json": {"gpc": True}}, {"headers": {"Sec-GPC": "1"}}])
def test_the_privacy_control_signal_is_an_opt_out_of_a_decision(relayed: dict[str, Any], server: Server) -> None:
    asked = {"subject": DRINKER, "channel": "email", "count": 3, "session_consents": ["profiling"]}
    asked |= relayed.get("json", {})
    decision = server.http.post("/v1/decisions", json=asked, headers=relayed.get("headers", {})).json()
    assert decision["fill"] == "popular"
    assert WINE not in {item["offer_id"] for item in decision["items"]}
    assert server.ask(DRINKER)["fill"] == "personal"


@pytest.mark.parametrize("relayed", [{"gpc": True}, {"headers": {"Sec-GPC": "1"}}])
def test_with_preferences_it_is_remembered(relayed: dict[str, Any], server: Server) -> None:
    subject = token(11 if "gpc" in relayed else 12)
    assert server.ask(subject)["fill"] in {"personal", "short"}
    held = change(server, subject, consents={"profiling": CONSENT}, **relayed)
    for purpose in ("profiling", "training"):
        assert (held["consents"][purpose]["granted"], held["consents"][purpose]["source"]) == (False, "gpc")
    assert held["consents"]["channel:email"]["granted"]
    assert server.ask(subject, count=3)["fill"] == "popular"


def test_access_shows_everything_that_is_held(server: Server) -> None:
    subject = FRESH[3]
    decision = server.ask(subject, count=2)
    server.tell(
        {"event_id": "acc.1", "type": "purchase", "subject": subject, "at": NOW, "item": MILK, "quantity": 2},
        {
            "event_id": "acc.2",
            "type": "exposure",
            "subject": subject,
            "at": NOW,
            "channel": "email",
            "offer_id": "offer-milk-1",
            "decision_id": decision["decision_id"],
        },
    )
    change(server, subject, interests=["tea"], dismiss=[{"scope": "offer", "value": "offer-rice-1"}])
    export = access(server, subject)
    assert export["held"]
    assert export["purchases"] == [{"item": MILK, "day": "2017-11-27", "quantity": 2.0, "baskets": 1}]
    assert [exposure["offer_id"] for exposure in export["exposures"]] == ["offer-milk-1"]
    assert {event["event"]["event_id"] for event in export["events"]} == {"acc.1", "acc.2"}
    assert [record["decision"]["decision_id"] for record in export["decisions"]] == [decision["decision_id"]]
    assert export["preferences"]["interests"] == ["tea"]
    assert len(export["preferences"]["dismissals"]) == 1


def test_forgetting_from_end_to_end(server: Server) -> None:
    """History, exposures, preferences, decisions and answers are gone at once; nothing brings the person back."""
    subject = token(21)
    asked = {"subject": subject, "channel": "email", "count": 2, "reserve_seconds": 600}
    decision = server.http.post("/v1/decisions", json=asked, headers={"Idempotency-Key": '"gone"'}).json()
    change(server, subject, interests=["tea"], dismiss=[{"scope": "offer", "value": "offer-rice-1"}])
    late = {"event_id": "gone.1", "type": "purchase", "subject": subject, "at": NOW, "item": MILK, "quantity": 2}
    server.tell(late)
    assert access(server, subject)["held"]
    order = {"order_id": "ab" * 16, "subjects": [subject]}
    receipt = server.http.post("/v1/subjects/erase", json=order).json()
    assert receipt["order_id"] == order["order_id"]
    assert subject not in str(receipt)
    assert sum(receipt["deleted"].values()) > 0

    export = access(server, subject)
    assert not export["held"]
    assert not any(export.get(part) for part in ("purchases", "events", "decisions", "exposures", "reservations"))
    assert preferences(server, subject) == {}
    assert server.ask(subject, session_consents=["channel:email"])["fill"] == "none"
    problem(server.http.get(f"/v1/decisions/{decision['decision_id']}"), 404)
    [rejected] = server.tell({**late, "event_id": "gone.2"})["rejected"]
    assert rejected["reason"] == "$.subject: was erased; nothing is kept of the person"
    body = {"subject": subject, "interests": ["tea"]}
    assert problem(server.http.put("/v1/preferences", json=body), 410)["type"] == "urn:recsys:problem:erased"
    assert not access(server, subject)["held"]
    again = server.http.post("/v1/subjects/erase", json=order).json()
    assert again == receipt


def test_an_order_that_names_the_person_incompletely_or_somebody_elses_is_refused(server: Server) -> None:
    for subjects in ([FOREIGN], [token(23), FOREIGN], [token(23, epoch="02")]):
        document = problem(server.http.post("/v1/subjects/erase", json={"subjects": subjects}), 422)
        assert "token" in str(document["detail"])
    assert access(server, token(23))["held"]


def test_after_a_vacuum_no_byte_of_the_person_is_left(shop: Shop, loaded: Path, tmp_path: Path) -> None:
    subject, state = token(22), tmp_path / "forget.db"
    state.write_bytes(loaded.read_bytes())
    with Server(*shop.serve_options(f"sqlite:///{state}")) as server:
        for _ in range(3):
            server.ask(subject)
        assert found(contents(tmp_path), [subject]) == [subject]  # the control
        server.http.post("/v1/subjects/erase", json={"subjects": [subject]})
        assert server.ask(subject)["fill"] == "none"
        metrics = server.http.get("/metrics").text
        server.stop()
        from serving.stores import open_store  # noqa: PLC0415 - once the server has let go of it

        store = open_store(f"sqlite:///{state}")
        store.vacuum()
        assert store.audit.verify().faults == ()
        store.close()
    assert found(contents(tmp_path), [subject, subject[-26:]]) == []
    assert subject not in metrics + server.output
