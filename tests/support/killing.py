"""A SIGKILL while writers keep a ledger of what the service said yes to, and the search for what was lost."""

from __future__ import annotations

import contextlib
import datetime as dt
import os
import random
import signal
import time
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from typing import Final

from msgspec import json
from sqlalchemy import create_engine, make_url, select

from recsys.contracts.audit import AuditKind, Checkpoint
from serving.audit.records import Erased, decode_payload
from serving.stores import Store, open_store, schema
from support.ledgers import Ledger, writing
from support.server import Server, workers_of
from support.shop import POLICY, Shop
from support.told import told

CAP: Final = 2
CAPPED: Final = f'{POLICY}\n[[cap]]\nper = "offer"\nmax = {CAP}\nhours = 24\n'
ENOUGH: Final = 30  # writes that were acknowledged, before the first signal
START_SECONDS: Final = 180  # on a machine that does much else


def lost(state: str, ledgers: Sequence[Ledger], anchor: Checkpoint | None, now: dt.datetime) -> list[str]:
    """What was acknowledged and is not there; what came back; what went over a cap; what the chain says."""
    with contextlib.closing(open_store(state)) as store:
        return _lost(store, ledgers, anchor, now) + _unwritten_erasures(state, ledgers)


def _unwritten_erasures(state: str, ledgers: Sequence[Ledger]) -> list[str]:
    """Erasures without a record of their own in the log, by their orders' numbers. The table is read as it is."""
    url = make_url(state)
    engine = create_engine(url if url.drivername == "sqlite" else url.set(drivername="postgresql+psycopg"))
    anonymous = select(schema.audit_payloads.c.payload).where(schema.audit_payloads.c.person.is_(None))
    with contextlib.closing(engine.connect()) as connection:
        written = [decode_payload(text) for text in connection.execute(anonymous).scalars()]
    engine.dispose()
    orders = {json.decode(one.body, type=Erased).order_id for one in written if one.kind is AuditKind.ERASURE}
    asked = {order for ledger in ledgers for order in ledger.erased.values()}
    return [f"the record of erasure {order}" for order in asked - orders]


def _lost(store: Store, ledgers: Sequence[Ledger], anchor: Checkpoint | None, now: dt.datetime) -> list[str]:
    found = [f"the chain: {fault}" for fault in store.audit.verify(anchor).faults]
    for ledger in ledgers:
        found += [f"a writer, which ended of {ledger.broke}"] * bool(ledger.broke)
        found += _missing_of_people(store, ledger)
        found += [f"decision {name}" for name in ledger.decisions if store.decision(name) is None]
        found += [f"{count} answers {status}" for status, count in ledger.statuses.items() if status not in (200, 503)]
        found += [f"an erasure of {len(ledger.erased)}"] * (store.erased(sorted(ledger.erased)) != ledger.erased.keys())
        for subject in ledger.erased:
            held = store.access(subject).held
            late = store.record([told(f"late {subject}", "exposure", subject=subject)], now=now)
            found += ["somebody who was erased is back"] * (held or late.erased != (0,))
    return [*found, *_over_cap(store, ledgers)]


def _missing_of_people(store: Store, ledger: Ledger) -> Iterator[str]:
    for subject in {*ledger.exposures, *ledger.dismissed, *ledger.consents}:
        access = store.access(subject)
        gone = ledger.exposures[subject] - {held.event.event_id for held in access.events}
        yield from (f"exposure {name}" for name in gone)
        gone = ledger.dismissed[subject] - {said.value for said in access.preferences.dismissals}
        yield from (f"dismissal of {value}" for value in gone)
        said = access.preferences.consents.get("channel:push")
        if subject in ledger.consents and (said is None or said.at < ledger.consents[subject]):
            yield "a consent"
        if len(access.changes) < ledger.changes[subject]:
            yield f"{ledger.changes[subject] - len(access.changes)} records of changes"


def _over_cap(store: Store, ledgers: Sequence[Ledger]) -> Iterator[str]:
    granted = sum((ledger.places for ledger in ledgers), Counter[tuple[str, str]]())
    for subject in {subject for subject, _ in granted}:
        held = Counter(place.offer_id for place in store.access(subject).reservations)
        for count in held.values():
            if count > CAP:
                yield f"{count} places where the cap is {CAP}"
        for (whose, offer), count in granted.items():
            if whose == subject and count > held[offer]:
                yield f"{count - held[offer]} reservations"


class Rounds:
    """Rounds of killing on one store. What was acknowledged is looked for after each, and all of it after the last.

    Args:
        shop: Whose bundle serves; its policy is replaced by one with a cap.
        state: The URL of a loaded store.
        seed: Of the moments.
    """

    def __init__(self, shop: Shop, state: str, *, seed: int) -> None:
        guards = shop.folder / "capped.toml"
        guards.write_text(CAPPED)
        self._options = [guards if option == shop.guards else option for option in shop.serve_options(state)]
        self._now = dt.datetime.fromisoformat(str(self._options[self._options.index("--now") + 1]))
        self._state, self._rng, self._number = state, random.Random(seed), 0  # noqa: S311 - no secret
        self.ledgers: list[Ledger] = []

    def kill_the_server(self, rounds: int) -> list[str]:
        """The only worker, which is the server, again and again; what was lost."""
        found: list[str] = []
        for _ in range(rounds):
            anchor = self._checkpoint()
            with Server(*self._options) as server, self._writing(server) as ledgers:
                self._wait(ledgers)
                server.stop(signal.SIGKILL)
            found += self._lost(ledgers, anchor)
        return [*found, *self._lost(self.ledgers)] if rounds else []

    def kill_workers(self, rounds: int) -> list[str]:
        """One of two workers, or both, while whoever started them starts new ones; what was lost."""
        if not rounds:
            return []
        found: list[str] = []
        with Server(*self._options, "--workers", 2) as server:
            for number in range(rounds):
                anchor, before = self._checkpoint(), workers_of(server)
                slain = before if number % 4 == 3 else {self._rng.choice(sorted(before))}
                with self._writing(server) as ledgers:
                    self._wait(ledgers)
                    for pid in slain:
                        os.kill(pid, signal.SIGKILL)
                    time.sleep(0.1)  # others write on, if there are any
                _wait_for_two(server, slain)
                found += self._lost(ledgers, anchor)
            found += self._lost(self.ledgers)
        return found

    def _wait(self, ledgers: Sequence[Ledger]) -> None:
        """Until some moment, and until enough was written for there to be something to lose."""
        time.sleep(self._rng.uniform(0.1, 0.6))
        deadline = time.monotonic() + START_SECONDS
        while sum(ledger.acknowledged for ledger in ledgers) < ENOUGH and time.monotonic() < deadline:
            time.sleep(0.01)

    @contextlib.contextmanager
    def _writing(self, server: Server) -> Iterator[list[Ledger]]:
        self._number += 1
        with writing(server.url, server.key, f"r{self._number}", self._now) as ledgers:
            self.ledgers += ledgers
            yield ledgers

    def _checkpoint(self) -> Checkpoint:
        with contextlib.closing(open_store(self._state)) as store:
            return store.audit.checkpoint(now=self._now)

    def _lost(self, ledgers: Sequence[Ledger], anchor: Checkpoint | None = None) -> list[str]:
        return lost(self._state, ledgers, anchor, self._now)


def _wait_for_two(server: Server, slain: Collection[int]) -> None:
    """Until two workers have started that are none of these; the last may not answer yet.

    Each takes some seconds of the processor before it is up, and whoever was killed before it was up is waited out.
    """
    deadline = time.monotonic() + START_SECONDS
    while len(workers_of(server).difference(slain)) < 2:
        if server.process.poll() is not None:
            raise RuntimeError(f"the server ended with status {server.process.returncode}")
        if time.monotonic() > deadline:
            raise TimeoutError(f"no new worker within {START_SECONDS} seconds")
        time.sleep(0.1)
