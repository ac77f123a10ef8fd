"""Caps over HTTP: what is reserved counts at once, for everybody who asks at the same time, until it expires."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from support.server import Server
from support.shop import NOW, Shop
from support.tokens import token

pytestmark = pytest.mark.slow

CAPS = """
[[cap]]
per = "overall"
max = 7
hours = 24

[[cap]]
per = "offer"
max = 1
hours = 24
"""


@pytest.fixture(scope="module")
def server(shop: Shop, loaded: Path) -> Iterator[Server]:
    state, guards = shop.folder / "reservations.db", shop.folder / "capped.toml"
    state.write_bytes(loaded.read_bytes())
    guards.write_text(shop.guards.read_text() + CAPS)
    options = shop.serve_options(f"sqlite:///{state}")
    options[options.index("--guards") + 1] = guards
    with Server(*options, "--workers", 2) as running:
        yield running


def push(server: Server, subject: str, name: object, count: int = 2) -> dict[str, Any]:
    body = {"subject": subject, "channel": "email", "count": count, "reserve_seconds": 3600}
    response = server.http.post("/v1/decisions", json=body, headers={"Idempotency-Key": f'"{subject[-8:]}.{name}"'})
    assert response.status_code == 200, response.text
    return dict(response.json())


def offers(decision: dict[str, Any]) -> list[str]:
    return [item["offer_id"] for item in decision["items"]]


def test_what_is_reserved_is_not_offered_again(server: Server) -> None:
    first, second = push(server, token(1), "a"), push(server, token(1), "b")
    assert len(offers(first)) == len(offers(second)) == 2
    assert not set(offers(first)) & set(offers(second))
    pulled = server.ask(token(1), count=20)
    assert len(pulled["items"]) == 3  # seven in all
    assert not set(offers(pulled)) & {*offers(first), *offers(second)}
    again = server.ask(token(1), count=20)
    assert offers(again) == offers(pulled)  # asking takes nothing


def test_at_once_in_two_workers_it_is_exact(server: Server) -> None:
    subject = token(2)
    with ThreadPoolExecutor(12) as pool:
        decisions = list(pool.map(lambda name: push(server, subject, name, count=2), range(24)))
    taken = Counter(offer for decision in decisions for offer in offers(decision))
    assert sum(taken.values()) == 7
    assert set(taken.values()) == {1}
    assert all(decision["fill"] in {"personal", "popular", "short", "none"} for decision in decisions)
    assert [item["rank"] for decision in decisions for item in decision["items"]].count(1) >= 4
    export = server.http.post("/v1/subjects/access", json={"subject": subject}).json()
    assert {one["offer_id"] for one in export["reservations"]} == set(taken)


def test_an_exposure_takes_its_reservations_place(server: Server) -> None:
    subject = token(3)
    decision = push(server, subject, "shown", count=7)
    assert len(decision["items"]) == 7
    shown = [
        {
            "event_id": f"shown.{item['rank']}",
            "type": "exposure",
            "subject": subject,
            "at": NOW,
            "offer_id": item["offer_id"],
            "channel": "email",
            "decision_id": decision["decision_id"],
        }
        for item in decision["items"]
    ]
    assert server.tell(*shown) == {"accepted": 7, "duplicates": 0, "dropped": 0, "rejected": []}
    extra = {**shown[0], "event_id": "shown.extra", "at": "2017-11-27T09:00:01Z"}
    assert server.tell(extra)["over_cap"] == 1
    assert server.ask(subject)["fill"] == "none"


def test_a_refusal_is_counted(server: Server) -> None:
    figures = server.http.get("/metrics").text
    assert "recsys_cap_refusals_total" in figures
    assert 'recsys_withheld_total{rule="frequency_cap"}' in figures
