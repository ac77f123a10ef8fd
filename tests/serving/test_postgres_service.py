"""The service over a real PostgreSQL, with two workers: the same answers, at once, everywhere."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from support.commands import run
from support.postgres import Postgres
from support.server import Server
from support.shop import DRINKER, MILK, NOW, Shop
from support.tokens import token

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def server(shop: Shop, postgres: Postgres) -> Iterator[Server]:
    state = postgres.database()
    done = run("serving", *shop.load_options(state))
    assert done.returncode == 0, done.stderr
    with Server(*shop.serve_options(state), "--workers", 2) as running:
        yield running


def test_a_day_in_the_life_of_the_service(server: Server) -> None:
    decision = server.ask(DRINKER, count=3)
    assert decision["fill"] == "personal"
    offer = decision["items"][0]["offer_id"]
    bought = {"event_id": "pg.1", "type": "purchase", "subject": DRINKER, "at": NOW, "item": MILK, "quantity": 1}
    no = {"event_id": "pg.2", "type": "dismissal", "subject": DRINKER, "at": NOW, "offer_id": offer}
    assert server.tell(bought, no, bought) == {"accepted": 2, "duplicates": 1, "dropped": 0, "rejected": []}
    for _ in range(6):
        assert offer not in {item["offer_id"] for item in server.ask(DRINKER, count=20)["items"]}
    push = {"subject": DRINKER, "channel": "email", "count": 2, "reserve_seconds": 60}
    pushed = [
        server.http.post("/v1/decisions", json=push, headers={"Idempotency-Key": '"pg"'}).content for _ in range(2)
    ]
    assert pushed[0] == pushed[1]
    told = server.http.get(f"/v1/decisions/{decision['decision_id']}").json()
    assert told["decision"] == decision
    leaver = token(5)
    assert server.ask(leaver)["items"]
    assert server.http.post("/v1/subjects/erase", json={"subjects": [leaver]}).json()["deleted"]
    for _ in range(6):
        assert server.ask(leaver)["fill"] == "none"
    assert not server.http.post("/v1/subjects/access", json={"subject": leaver}).json()["held"]
    assert server.http.get("/health/ready").status_code == 200
