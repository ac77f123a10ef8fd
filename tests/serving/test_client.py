"""The client: typed answers; a repetition only where it does no harm; nothing of the server comes with it."""

from __future__ import annotations

import datetime as dt
import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from support.server import Server, key_for
from support.shop import DRINKER, MILK, Shop
from support.tokens import token

from recsys.contracts.event import Event, EventType
from recsys.contracts.preferences import Consent, NewDismissal, PreferencesChange
from recsys.contracts.state import DismissalScope
from serving.client import Client, ServiceError

pytestmark = pytest.mark.slow

AT = dt.datetime(2017, 11, 27, 8, 30, tzinfo=dt.UTC)


@pytest.fixture(scope="module")
def server(shop: Shop, loaded: Path) -> Iterator[Server]:
    state = shop.folder / "client.db"
    state.write_bytes(loaded.read_bytes())
    with Server(*shop.serve_options(f"sqlite:///{state}")) as running:
        yield running


@pytest.fixture
def client(server: Server) -> Iterator[Client]:
    with Client(str(server.http.base_url), server.key) as made:
        yield made


def test_every_method_against_the_real_service(client: Client) -> None:
    decision = client.decide(DRINKER, "email", count=2, reserve_seconds=60)
    assert len(decision.items) == 2
    assert [d.subject for d in client.decide_many([{"subject": DRINKER, "channel": "email"}] * 2)] == [DRINKER] * 2
    offer = decision.items[0].offer_id
    assert client.explanation(decision.decision_id, offer=offer)["other"]["rank"] == 1
    bought = Event(event_id="c.1", type=EventType.PURCHASE, subject=DRINKER, at=AT, item=MILK, quantity=1)
    shown = Event(event_id="c.2", type=EventType.EXPOSURE, subject=DRINKER, at=AT, offer_id=offer, channel="email")
    recorded = client.report([bought, shown, Event(event_id="c.3", type=EventType.CLICK, subject=DRINKER, at=AT)])
    assert (recorded.accepted, recorded.rejected[0].index) == (2, 2)
    yes = Consent(granted=True, at=AT, source="form")
    no = NewDismissal(scope=DismissalScope.OFFER, value=offer)
    held = client.change_preferences(DRINKER, PreferencesChange(consents={"channel:app": yes}, dismiss=(no,)))
    assert held == client.preferences(DRINKER)
    assert held.consents["channel:app"] == yes
    assert client.access(DRINKER).held
    assert client.erase(token(41)).deleted
    assert not client.access(token(41)).held


def test_a_refusal_is_an_error_that_repeats_nothing(client: Client, server: Server) -> None:
    with pytest.raises(ServiceError, match="not a token") as caught:
        client.decide("anna.berg@example.org", "email")
    assert (caught.value.status, caught.value.kind) == (422, "urn:recsys:problem:token")
    assert "anna" not in str(caught.value)
    with (
        Client(str(server.http.base_url), key_for(server.state, ["events"])) as other,
        pytest.raises(ServiceError, match="scope decide"),
    ):
        other.decide(DRINKER, "email")


class _Flaky(BaseHTTPRequestHandler):
    """Fails as often as the server says; remembers the headers."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        seen = self.server.seen
        seen.append(self.headers)
        failing = len(seen) <= self.server.failures
        if failing and self.server.hangs_up:
            self.close_connection = True
            return
        body = json.dumps({"accepted": 1, "duplicates": 0, "dropped": 0, "detail": "busy"}).encode()
        self.send_response(self.server.status if failing else 200)
        self.send_header("content-length", str(len(body)))
        if failing and self.server.retry_after is not None:
            self.send_header("retry-after", self.server.retry_after)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.fixture
def flaky() -> Iterator[ThreadingHTTPServer]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Flaky)
    server.seen, server.failures, server.status, server.hangs_up, server.retry_after = [], 0, 503, False, None
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def report(server: ThreadingHTTPServer, tries: int = 4) -> int:
    event = Event(event_id="e", type=EventType.CLICK, subject=DRINKER, at=AT, offer_id="o")
    with Client(f"http://127.0.0.1:{server.server_port}", "rk1.x", tries=tries) as client:
        return client.report([event]).accepted


@pytest.mark.parametrize("hangs_up", [False, True])
def test_a_server_that_is_busy_is_asked_again(hangs_up: bool, flaky: ThreadingHTTPServer) -> None:  # noqa: FBT001
    flaky.failures, flaky.hangs_up = 2, hangs_up
    assert report(flaky) == 1
    assert len(flaky.seen) == 3


def test_it_gives_up_and_does_not_repeat_what_was_refused(flaky: ThreadingHTTPServer) -> None:
    flaky.failures = 9
    with pytest.raises(ServiceError, match="refused with 503: busy"):
        report(flaky, tries=2)
    assert len(flaky.seen) == 2
    flaky.status = 403
    with pytest.raises(ServiceError, match="refused with 403"):
        report(flaky)
    assert len(flaky.seen) == 3


def test_it_comes_back_when_the_server_says(flaky: ThreadingHTTPServer) -> None:
    flaky.failures, flaky.status, flaky.retry_after = 1, 429, "1"
    began = time.monotonic()
    assert report(flaky) == 1
    assert time.monotonic() - began > 1
    assert len(flaky.seen) == 2


@pytest.mark.parametrize("after", ["60", "Fri, 31 Dec 9999 23:59:59 GMT"])
def test_it_does_not_knock_where_it_is_told_to_come_back_later_than_it_waits(
    after: str, flaky: ThreadingHTTPServer
) -> None:
    flaky.failures, flaky.status, flaky.retry_after = 9, 429, after
    began = time.monotonic()
    with pytest.raises(ServiceError, match="refused with 429") as caught:
        report(flaky)
    assert time.monotonic() - began < 5
    assert len(flaky.seen) == 1
    assert (caught.value.retry_after or 0) >= 60


@pytest.mark.parametrize(
    "after",
    ["soon", "-1", "1e9", "9" * 5000, "Mon, 01 Jan 2001 00:00:00 GMT", "Mon, 01 Jan 2001 00:00:00 +99999999999999"],
)
def test_of_what_says_no_time_to_come_it_makes_nothing(after: str, flaky: ThreadingHTTPServer) -> None:
    flaky.failures, flaky.retry_after = 1, after
    assert report(flaky) == 1
    assert len(flaky.seen) == 2


def test_all_pauses_together_are_bounded(flaky: ThreadingHTTPServer) -> None:
    flaky.failures, flaky.retry_after = 9, "1"
    with (
        Client(f"http://127.0.0.1:{flaky.server_port}", "rk1.x", tries=9, patience=1.5) as client,
        pytest.raises(ServiceError),
    ):
        client.access(DRINKER)
    assert len(flaky.seen) == 2


def test_a_repetition_carries_the_same_idempotency_key(flaky: ThreadingHTTPServer) -> None:
    flaky.failures = 2
    with Client(f"http://127.0.0.1:{flaky.server_port}", "rk1.x", tries=2) as client, pytest.raises(ServiceError):
        client.decide(DRINKER, "email", reserve_seconds=60)
    first, again = (headers["idempotency-key"] for headers in flaky.seen)
    assert first == again
    assert first.startswith('"')


def test_nothing_of_the_server_comes_with_it() -> None:
    script = "import sys, serving.client; print(' '.join(sys.modules))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)  # noqa: S603
    loaded = {name.partition(".")[0] for name in done.stdout.split()}
    assert "httpx" in loaded
    assert not loaded & {"starlette", "uvicorn", "sqlalchemy", "onnxruntime", "prometheus_client", "structlog"}
    assert "serving.app" not in done.stdout
