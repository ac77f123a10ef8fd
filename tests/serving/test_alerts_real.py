"""What the stories of `test_alerts.py` count is what a real server counts, by the same labels with the same values.

If the code counted something under another name, an alert would sleep, or fire for ever, and no story would tell.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator

import pytest
from support.machine import Machine, series_of
from support.promql import Labels
from support.server import Server, problem
from support.shop import DRINKER, NOW, UNPROFILED, Shop
from support.tokens import token

pytestmark = pytest.mark.slow

LEAVER = token(33)
NAMES = {"model", "policy"}  # labels whose values are the shop's own
SHOWN = {
    "event_id": "e",
    "type": "exposure",
    "subject": LEAVER,
    "at": NOW,
    "offer_id": "offer-milk-1",
    "channel": "email",
}


def told_of(machine: Machine) -> None:
    """What a story would say of the server below."""
    machine.asked(times=2)
    machine.decided("personal", 1)
    machine.decided("popular", 1)
    machine.failed(1)
    machine.reported_erased()


def counted(text: str) -> Iterator[tuple[str, Labels, float]]:
    """Every series that is not 0; not how long something took, and when."""
    for (name, labels), value in series_of(text).items():
        if value and not name.endswith(("_created", "_bucket", "_sum", "_seconds")):
            yield name, frozenset(pair for pair in labels if pair[0] not in NAMES), value


def test_a_real_server_counts_what_the_stories_count(shop: Shop, state: str) -> None:
    machine = Machine()
    told_of(machine)
    with Server(*shop.serve_options(state)) as server:
        assert [server.ask(one, count=2)["fill"] for one in (DRINKER, UNPROFILED)] == ["personal", "popular"]
        assert server.http.post("/v1/subjects/erase", json={"subjects": [LEAVER]}).status_code == 200
        assert server.tell(SHOWN)["rejected"]
        with contextlib.closing(sqlite3.connect(state.removeprefix("sqlite:///"), isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            problem(server.http.post("/v1/decisions", json={"subject": DRINKER, "channel": "email"}), 503)
        real = server.http.get("/metrics").text
    made_up = set(counted(machine.metrics.exposition().decode()))
    assert len(made_up) == 8
    assert made_up <= set(counted(real))
    routes = {dict(labels)["route"] for name, labels in series_of(real) if name == "recsys_request_seconds_bucket"}
    assert "/v1/decisions" in routes
    assert {"recsys_clock_ahead_seconds", "recsys_refused", "recsys_worker_started_seconds"} <= {
        name for name, _ in series_of(real)
    }
