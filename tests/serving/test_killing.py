"""Workers are killed (SIGKILL) at any moment while many write: of what was acknowledged, nothing is lost.

Five rounds on each store; `make soak` runs a hundred.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from support.commands import run
from support.killing import CAP, Rounds, lost
from support.ledgers import Ledger, writing
from support.lines import NOW
from support.postgres import Postgres
from support.shop import ABSTAINER, DRINKER, Shop

from recsys.contracts.audit import Checkpoint

pytestmark = pytest.mark.slow

ROUNDS = 5


def check(rounds: Rounds, missing: list[str]) -> None:
    """Nothing was lost, and the rounds were what they should be: enough was written, and cut, of each kind."""
    assert missing == []
    ledgers = rounds.ledgers
    assert sum(ledger.cut for ledger in ledgers) >= ROUNDS
    for kind in ("exposures", "dismissed", "consents", "decisions", "erased"):
        assert sum(len(getattr(ledger, kind)) for ledger in ledgers) >= ROUNDS, kind
    assert sum(sum(ledger.places.values()) for ledger in ledgers) >= CAP


def test_the_only_worker_on_sqlite(shop: Shop, state: str) -> None:
    rounds = Rounds(shop, state, seed=8)
    check(rounds, rounds.kill_the_server(ROUNDS))


def test_two_workers_on_postgresql(shop: Shop, postgres: Postgres) -> None:
    state = postgres.database()
    assert run("serving", *shop.load_options(state)).returncode == 0
    rounds = Rounds(shop, state, seed=9)
    check(rounds, rounds.kill_workers(ROUNDS))


def test_what_is_lost_would_be_noticed(state: str) -> None:
    """The control: a ledger of what was never acknowledged."""
    ledger = Ledger(
        erased={ABSTAINER: "f" * 32}, decisions={"0" * 32}, consents={DRINKER: NOW}, places=Counter({(DRINKER, "o"): 1})
    )
    ledger.broke = "KeyError('items')"
    ledger.exposures[DRINKER].add("e1")
    ledger.dismissed[DRINKER].add("offer-milk-1")
    ledger.changes[DRINKER] = 1
    anchor = Checkpoint(sequence=99, hash="0" * 64, at=NOW)
    found = "; ".join(lost(state, [ledger], anchor, NOW))
    for kind in (
        "a writer, which ended of KeyError('items')",
        "the chain",
        "exposure e1",
        "dismissal of offer-milk-1",
        "a consent",
        "1 records of changes",
    ):
        assert kind in found, found
    assert f"the record of erasure {'f' * 32}" in found
    for kind in (f"decision {'0' * 32}", "an erasure of 1", "who was erased is back", "1 reservations"):
        assert kind in found, found


class Page(BaseHTTPRequestHandler):
    """Answers whatever is sent with what is no JSON."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        self.send_response(200)
        self.end_headers()

    do_PUT = do_POST  # noqa: N815 - the library's name

    def log_message(self, *_: object) -> None:
        """Nothing of it is worth a line."""


def test_a_writer_that_ends_of_itself_says_so() -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), Page) as server:
        threading.Thread(target=server.serve_forever).start()
        try:
            with writing(f"http://127.0.0.1:{server.server_port}", "key", "w", NOW) as ledgers:
                time.sleep(0.3)
        finally:
            server.shutdown()
    assert {ledger.broke.partition("(")[0] for ledger in ledgers} == {"JSONDecodeError"}
