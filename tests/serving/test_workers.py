"""Several workers: what one is told, all obey at the very next decision; whatever ends is started anew."""

from __future__ import annotations

import json
import os
import re
import resource
import signal
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from support.commands import assert_clear_failure, run
from support.server import Server, workers_of
from support.shop import DRINKER, Shop
from support.tokens import token

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def server(shop: Shop, loaded: Path) -> Iterator[Server]:
    state = shop.folder / "workers.db"
    state.write_bytes(loaded.read_bytes())
    with Server(*shop.serve_options(f"sqlite:///{state}"), "--workers", 2) as running:
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


def test_the_figures_are_those_of_all_workers(server: Server) -> None:
    def counted() -> float:
        text = httpx.get(f"{server.url}/metrics").text
        return sum(map(float, re.findall(r"^recsys_decisions_total\{.*\} ([\d.]+)$", text, re.MULTILINE)))

    before = counted()
    for _ in range(20):
        afresh(server, DRINKER)
    assert {counted() for _ in range(6)} == {before + 20}


def until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.2)


def test_a_worker_that_ends_is_replaced(server: Server) -> None:
    before = workers_of(server)
    assert len(before) == 2
    os.kill(min(before), signal.SIGKILL)
    until(lambda: len(workers_of(server) - {min(before)}) == 2)
    assert all(afresh(server, token(1)) for _ in range(6))


def test_figures_have_room_of_their_own_and_without_any_a_worker_serves_all_the_same(server: Server) -> None:
    """A hole in a file that is mapped into memory ends whoever writes there, once the disk is full. The limit on files
    stands for a disk without room for those of another worker."""
    until(lambda: len(figures_of(server)) == 10)
    assert all(path.stat().st_blocks * 512 >= path.stat().st_size > 0 for path in figures_of(server))
    victim, limits = min(workers_of(server)), resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (300 * 1024, limits[1]))
    os.kill(victim, signal.SIGBUS)
    until(lambda: '"figures_not_shared"' in server.said)
    for pid in {server.process.pid, *workers_of(server)}:
        resource.prlimit(pid, resource.RLIMIT_FSIZE, limits)
    assert {httpx.get(f"{server.url}/metrics").status_code for _ in range(8)} == {httpx.codes.OK}
    assert all(afresh(server, token(1)) for _ in range(6))


def figures_of(server: Server) -> list[Path]:
    """The files in which its workers count."""
    workers = workers_of(server)
    files = Path(tempfile.gettempdir()).glob("recsys-serve-*/*.db")
    return [path for path in files if int(path.stem.rpartition("_")[2]) in workers]


def test_told_to_stop_all_end_with_status_0(server: Server) -> None:
    workers = workers_of(server)
    assert server.stop() == 0
    assert "Traceback" not in server.output
    ends = [json.loads(line) for line in server.output.splitlines() if '"worker_ended"' in line]
    assert [end["how"] for end in ends] == ["SIGKILL", "SIGBUS"]
    assert ends[0]["served"]
    assert '"figures_not_shared"' in server.output
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
