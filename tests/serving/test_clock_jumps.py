"""Real servers on a machine whose clock is put back and forward: no offer goes out that state could have withheld, a
503 with the reason, and what is said is taken all the while."""

from __future__ import annotations

import contextlib
import datetime as dt
import itertools
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import httpx
import pytest
from support.clocked import COMMAND, ENVIRONMENT, PutClock
from support.server import Server, problem, workers_of
from support.shop import DRINKER, MILK, Shop
from support.tokens import token
from support.waiting import until

from recsys.contracts.purchases import read_purchases
from serving.audit.records import decode_payload
from serving.clock import utc_clock
from serving.commands.export import Exported, export
from serving.commands.release import release

pytestmark = pytest.mark.slow

ASKED = {"subject": DRINKER, "channel": "email", "count": 20}
LEAVER, LATER = token(31), token(32)
RESTS = "offer-milk-1"
LIVE = Path(__file__).parents[2] / "deploy" / "live.py"
HOUR = 3600.0
MINUTES = dt.timedelta(minutes=1)


@pytest.fixture
def clock(tmp_path: Path) -> PutClock:
    """The machine's, which is right."""
    made = PutClock(tmp_path / "put-by")
    made.put(0)
    return made


def serving(shop: Shop, state: str, clock: PutClock, workers: int, **more: object) -> Server:
    given = shop.serve_options(state)
    options = dict(zip(given[::2], given[1::2], strict=True)) | {f"--{name}": value for name, value in more.items()}
    del options["--now"]
    real = [*itertools.chain(*options.items()), "--workers", workers, "--put-by", clock.by]
    return Server(*real, command=COMMAND, environment=ENVIRONMENT)


def decided(server: Server) -> int:
    """The status of a decision, asked for on a new connection, which any worker may take."""
    response = httpx.post(f"{server.url}/v1/decisions", json=ASKED, headers=server.http.headers, timeout=30)
    return response.status_code


def offers(server: Server) -> set[str]:
    return {item["offer_id"] for item in server.ask(DRINKER, count=20)["items"]}


def ahead(server: Server) -> float:
    """The figure that the alert asks for."""
    (line,) = [one for one in server.http.get("/metrics").text.splitlines() if one.startswith("recsys_clock_ahead_s")]
    return float(line.split()[1])


def rests_for_half_an_hour(server: Server) -> None:
    now = utc_clock()
    said = {"event_id": "no", "type": "dismissal", "subject": DRINKER, "offer_id": RESTS}
    said |= {"at": now.isoformat(), "expires": (now + 30 * MINUTES).isoformat()}
    assert server.tell(said)["accepted"] == 1
    assert RESTS not in offers(server)


def is_in_doubt(server: Server) -> None:
    for response in (
        server.http.post("/v1/decisions", json=ASKED),
        server.http.post("/v1/decisions", json=[ASKED, ASKED], headers={"Idempotency-Key": '"many"'}),
        server.http.get("/health/ready"),
    ):
        document = problem(response, 503)
        assert document["type"] == "urn:recsys:problem:clock-jumped"
        assert "clock was put forward by 3,600 seconds" in str(document["detail"])
        assert response.headers["retry-after"] == "60"
    image_is_healthy(server)
    until(lambda: ahead(server) == pytest.approx(HOUR, abs=60))


def image_is_healthy(server: Server) -> None:
    """Whoever starts unhealthy containers anew would have the service take the clock as it finds it."""
    words = [sys.executable, LIVE, os.devnull]
    environment = {**os.environ, "RECSYS_SERVE_PORT": str(server.http.base_url.port)}
    done = subprocess.run(words, env=environment, capture_output=True, text=True, check=False)  # noqa: S603 - the image's own question
    assert (done.returncode, done.stdout) == (0, '{"status":"live"}')


def takes_what_is_said(server: Server, clock: PutClock) -> None:
    """Events as they are dated, whichever of the clocks their sender goes by; what is said by people; an erasure."""
    for name, at in (("right", utc_clock()), ("machine", clock())):
        shown = {"event_id": name, "type": "exposure", "subject": LATER, "offer_id": RESTS, "channel": "email"}
        assert server.tell({**shown, "at": at.isoformat()})["accepted"] == 1
        change: dict[str, Any] = {"granted": False, "at": at.isoformat(), "source": "till"}
        body = {"subject": LATER, "consents": {"profiling": change}}
        assert server.http.put("/v1/preferences", json=body).status_code == 200
    yes = {"subject": LATER, "consents": {"profiling": {"granted": True, "at": clock().isoformat(), "source": "till"}}}
    assert problem(server.http.put("/v1/preferences", json=yes), 503)["type"] == "urn:recsys:problem:clock-jumped"
    assert server.http.post("/v1/subjects/erase", json={"subjects": [LEAVER]}).status_code == 200
    late = {"event_id": "late", "type": "purchase", "subject": LATER, "item": MILK, "quantity": 1}
    reply = server.tell({**late, "at": (clock() + 10 * MINUTES).isoformat()})
    assert "lies in the future" in reply["rejected"][0]["reason"]


def accepted(state: str) -> list[bytes]:
    """What the audit log has of clocks that were taken to be right."""
    with contextlib.closing(sqlite3.connect(state.removeprefix("sqlite:///"))) as raw:
        written = [decode_payload(one) for (one,) in raw.execute("SELECT payload FROM audit_payloads")]
    return [bytes(one.body) for one in written if one.kind == "clock"]


def test_a_clock_that_jumps_both_ways(shop: Shop, state: str, clock: PutClock) -> None:
    with serving(shop, state, clock, 1) as server:
        rests_for_half_an_hour(server)
        clock.put(HOUR)
        is_in_doubt(server)
        takes_what_is_said(server, clock)
        assert server.http.post("/v1/reload").status_code == 200  # says nothing about the clock
        is_in_doubt(server)
        for put in (0, -HOUR, 240):
            clock.put(put)
            assert RESTS not in offers(server)
            assert server.http.get("/health/ready").status_code == 200
        until(lambda: ahead(server) == 0)
        server.send(signal.SIGUSR1)  # which is not kept for a jump to come
        time.sleep(0.5)
        clock.put(HOUR)
        until(lambda: ahead(server) > 0)
        assert decided(server) == 503
        server.send(signal.SIGUSR1)
        until(lambda: decided(server) == 200)
        assert RESTS in offers(server)  # the half hour is over
        server.stop()
    assert server.output.count("clock_put_forward") == server.output.count("clock_trusted_again") == 2
    (written,) = accepted(state)
    assert b"put_forward_seconds" in written


def readable(state: str, folder: Path) -> None:
    """The other stages take what was bought: one line of a day to come, and they would refuse the whole file."""
    export(Exported.PURCHASES, state=state, out=folder / "bought.parquet")
    week = (utc_clock() + days * MINUTES * 60 * 24 for days in (-3, 4))
    since, until = (str(instant.date()) for instant in week)
    release(state=state, since=since, until=until, out=folder / "release")
    read_purchases(folder / "bought.parquet", today=utc_clock().date())
    assert len(read_purchases(folder / "release", today=utc_clock().date())) == 1


def test_what_was_said_by_a_clock_that_jumped_holds_from_then_on(
    shop: Shop, state: str, clock: PutClock, tmp_path: Path
) -> None:
    """A purchase withholds at once, and not once that day has come; a no holds until the next yes."""
    guards = tmp_path / "guards.toml"
    guards.write_text(f'{shop.guards.read_text()}\n[[cool_down]]\nitems = ["{MILK}"]\nlevel = "item"\ndays = 7\n')

    def says(granted: bool, at: dt.datetime) -> dict[str, Any]:  # noqa: FBT001 - a yes or a no
        said = {"granted": granted, "at": at.isoformat(), "source": "till"}
        reply = server.http.put("/v1/preferences", json={"subject": DRINKER, "consents": {"profiling": said}})
        assert reply.status_code == 200, reply.text
        held: dict[str, Any] = reply.json()["consents"]["profiling"]
        return held

    with serving(shop, state, clock, 1, guards=guards) as server:
        assert RESTS in offers(server)
        clock.put(4000 * 24 * HOUR)
        bought = {"event_id": "b", "type": "purchase", "subject": DRINKER, "item": MILK, "quantity": 1}
        assert server.tell({**bought, "at": clock().isoformat()})["accepted"] == 1
        assert dt.datetime.fromisoformat(says(granted=False, at=clock())["at"]) <= utc_clock()
        clock.put(0)
        assert server.ask(DRINKER, count=1)["fill"] != "personal"
        assert says(granted=True, at=utc_clock())["granted"]
        assert server.ask(DRINKER, count=1)["fill"] == "personal"
        assert RESTS not in offers(server)
    readable(state, tmp_path)


def test_whoever_is_told_while_it_starts_starts(shop: Shop, state: str, clock: PutClock, tmp_path: Path) -> None:
    """It takes the clock as it finds it anyway."""
    trust = tmp_path / "signing.key.pub"
    os.mkfifo(trust)

    def tell() -> None:
        with trust.open("wb") as waited_for:  # opened once it is read
            server.send(signal.SIGUSR1)
            trust.unlink()
            shutil.copy(shop.trust, trust)
            waited_for.write(shop.trust.read_bytes())

    server = serving(shop, state, clock, 1, trust=trust)
    told = threading.Thread(target=tell, daemon=True)
    told.start()
    with server:
        told.join()
        assert decided(server) == 200


def replace_all(server: Server) -> None:
    """End all workers; others have been started, and do not serve yet."""
    before = workers_of(server)
    for worker in before:
        os.kill(worker, signal.SIGKILL)
    until(lambda: len(workers_of(server) - before) == 2)


def test_workers_and_whoever_takes_their_place(shop: Shop, state: str, clock: PutClock) -> None:
    with serving(shop, state, clock, 2) as server:
        until(lambda: len(workers_of(server)) == 2)
        clock.put(HOUR)
        assert {decided(server) for _ in range(10)} == {503}
        replace_all(server)
        assert {decided(server) for _ in range(10)} == {503}
        replace_all(server)
        server.send(signal.SIGUSR1)  # to those that begin now, too
        until(lambda: len(accepted(state)) == 2)
        until(lambda: ahead(server) == 0)
        assert {decided(server) for _ in range(10)} == {200}
        replace_all(server)
        assert {decided(server) for _ in range(10)} == {200}
        assert server.said.count("worker_ended") == 6
