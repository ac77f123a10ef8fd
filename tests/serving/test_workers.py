"""Several workers: what one is told, all obey at the very next decision; whatever ends is started anew."""

from __future__ import annotations

import functools
import json
import os
import re
import signal
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import httpx
import pytest
from support import waiting
from support.commands import assert_clear_failure, run
from support.server import Server, workers_of
from support.shop import DRINKER, Shop
from support.small_disk import fill, may_mount, on_a_small_disk
from support.tokens import token

pytestmark = pytest.mark.slow

until = functools.partial(waiting.until, seconds=120, pause=0.2)


@pytest.fixture(scope="module")
def server(shop: Shop, loaded: Path) -> Iterator[Server]:
    """Its temporary files lie on a small file system in memory, where that is allowed."""
    state = shop.folder / "workers.db"
    state.write_bytes(loaded.read_bytes())
    options = shop.serve_options(f"sqlite:///{state}")
    small = {"command": on_a_small_disk(), "environment": {"TMPDIR": "/mnt"}} if may_mount() else {}
    with Server(*options, "--workers", 2, **small) as running:
        yield running


def afresh(server: Server, subject: str) -> set[str]:
    """Asked on a new connection, which any worker may take."""
    body = {"subject": subject, "channel": "email", "count": 20}
    response = httpx.post(f"{server.url}/v1/decisions", json=body, headers=server.http.headers, timeout=30)
    assert response.status_code == httpx.codes.OK, response.text
    return {item["offer_id"] for item in response.json()["items"]}


def test_a_dismissal_acts_in_every_worker_at_once(server: Server) -> None:
    offers = [f"offer-{kind}-1" for kind in ("wine", "milk", "bread", "tea", "rice", "soap")]
    for offer in offers:
        assert all(offer in afresh(server, DRINKER) for _ in range(3))
        change = {"subject": DRINKER, "dismiss": [{"scope": "offer", "value": offer}]}
        assert server.http.put("/v1/preferences", json=change).status_code == httpx.codes.OK
        assert not any(offer in afresh(server, DRINKER) for _ in range(8))


def test_an_erasure_acts_in_every_worker_at_once(server: Server) -> None:
    """And takes less than a second, by the middle one of seven: another program may hold up one of them."""
    taken = []
    for number in range(30, 37):
        subject = token(number)
        assert all(afresh(server, subject) for _ in range(3))
        began = time.monotonic()
        server.http.post("/v1/subjects/erase", json={"subjects": [subject]})
        taken.append(time.monotonic() - began)
        assert not any(afresh(server, subject) for _ in range(8))
    assert statistics.median(taken) < 1


def test_of_decisions_under_way_in_any_worker_none_goes_out_after_an_erasure(server: Server) -> None:
    """Asked without a pause while the person is erased: what is answered after the receipt is empty, also what was
    read before; and the log knows nothing of any of them."""
    for number in range(40, 44):
        subject, stop = token(number), threading.Event()
        answers: list[set[str]] = []

        def ask(subject: str = subject, stop: threading.Event = stop, answers: list[set[str]] = answers) -> None:
            while not stop.is_set():
                answers.append(afresh(server, subject))

        threads = [threading.Thread(target=ask) for _ in range(4)]
        for thread in threads:
            thread.start()
        while len(answers) < 8:
            time.sleep(0.01)
        server.http.post("/v1/subjects/erase", json={"subjects": [subject]})
        count = len(answers)
        while len(answers) < count + 8:
            time.sleep(0.01)
        stop.set()
        for thread in threads:
            thread.join()
        assert answers[0]
        assert not any(answers[count + len(threads) :])  # that many may have been on their way to us
        held = server.http.post("/v1/subjects/access", json={"subject": subject}).json()
        assert (held["held"], held["decisions"]) == (False, [])


def counted(server: Server) -> float:
    """Decisions, by whoever answers."""
    text = httpx.get(f"{server.url}/metrics", timeout=30).text
    return sum(map(float, re.findall(r"^recsys_decisions_total\{.*\} ([\d.]+)$", text, re.MULTILINE)))


def test_the_figures_are_those_of_all_workers(server: Server) -> None:
    before = counted(server)
    for _ in range(20):
        afresh(server, DRINKER)
    assert {counted(server) for _ in range(6)} == {before + 20}


def test_a_worker_that_ends_is_replaced(server: Server) -> None:
    before = workers_of(server)
    assert len(before) == 2
    os.kill(min(before), signal.SIGKILL)
    until(lambda: len(workers_of(server) - {min(before)}) == 2)
    assert all(afresh(server, token(1)) for _ in range(6))


def test_a_worker_that_takes_anothers_place_counts_on_where_it_stopped_and_needs_no_room(server: Server) -> None:
    """A hole in a file that is mapped into memory ends whoever writes there, once the disk is full: there is none."""
    assert all(path.stat().st_blocks * 512 >= path.stat().st_size > 0 for path in figures_of(server))
    before, files = counted(server), {path.name: path.stat().st_ino for path in figures_of(server)}
    victim, *others = sorted(workers_of(server))
    rest = fill(server)
    os.kill(victim, signal.SIGBUS)
    until(lambda: len(workers_of(server).difference(others)) == 1)
    assert counted(server) == before  # nothing is lost, and nothing is counted twice
    until(lambda: served_by_the_new_one(server, others))
    assert counted(server) > before
    rest.unlink(missing_ok=True)
    assert {path.name: path.stat().st_ino for path in figures_of(server)} == files
    assert "recsys_in_flight 0.0" in httpx.get(f"{server.url}/metrics", timeout=30).text


def served_by_the_new_one(server: Server, others: Sequence[int]) -> bool:
    """A decision, while the others are stopped where they are."""
    body = {"subject": token(1), "channel": "email"}
    for pid in others:
        os.kill(pid, signal.SIGSTOP)
    try:
        return httpx.post(f"{server.url}/v1/decisions", json=body, headers=server.http.headers, timeout=3).is_success
    except httpx.TransportError:  # it does not answer yet
        return False
    finally:
        for pid in others:
            os.kill(pid, signal.SIGCONT)


def figures_of(server: Server) -> list[Path]:
    """The files in which its workers count."""
    found = set()
    for pid in workers_of(server):
        of = Path(f"/proc/{pid}")
        words = [Path(word) for word in (of / "maps").read_text().split() if "/recsys-serve-" in word]
        found |= {of.with_name(f"{server.process.pid}") / "root" / word.relative_to("/").parent for word in words}
    (folder,) = found
    return sorted(folder.glob("*.db"))


def test_without_room_for_figures_it_does_not_start_and_says_so(shop: Shop, state: str) -> None:
    serve = [sys.executable, "-m", "serving", *map(str, shop.serve_options(state)), "--workers", "2"]
    done = subprocess.run(  # noqa: S603 - our own command
        ["sh", "-c", 'ulimit -f 300; exec "$0" "$@"', *serve],  # noqa: S607 - sh, from the path
        env={**os.environ, "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert_clear_failure(done, "no room for the figures of 2 workers", "TMPDIR")


def test_told_to_stop_all_end_with_status_0(server: Server) -> None:
    workers = workers_of(server)
    assert server.stop() == 0
    assert "Traceback" not in server.output
    ends = [json.loads(line) for line in server.output.splitlines() if '"worker_ended"' in line]
    assert [end["how"] for end in ends] == ["SIGKILL", "SIGBUS"]
    assert ends[0]["served"]
    for pid in workers:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


def test_workers_that_hang_are_waited_for_together(shop: Shop, state: str) -> None:
    """Six seconds for both (`grace_seconds` and five), and not for each."""
    with Server(*shop.serve_options(state), "--workers", 2, environment={"RECSYS_SERVE_GRACE_SECONDS": "1"}) as server:
        for pid in workers_of(server):
            os.kill(pid, signal.SIGSTOP)
        began = time.monotonic()
        assert server.stop() == 0
        assert 5 < time.monotonic() - began < 11


def test_without_the_process_that_started_them_they_end(shop: Shop, state: str) -> None:
    with Server(*shop.serve_options(state), "--workers", 2) as server:
        workers = workers_of(server)
        server.stop(signal.SIGKILL)
        deadline = time.monotonic() + 60
        while any(Path(f"/proc/{pid}/cmdline").exists() for pid in workers):
            assert time.monotonic() < deadline
            time.sleep(0.1)


def test_what_cannot_be_used_is_said_once(shop: Shop, state: str) -> None:
    options = shop.serve_options(state)
    options[options.index("--trust") + 1] = shop.guards
    assert_clear_failure(run("serving", *options, "--workers", 2), "guards.toml")
