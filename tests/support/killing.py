"""Writers who keep a ledger of what the service said yes to, a SIGKILL, and the search for what was lost."""

from __future__ import annotations

import contextlib
import datetime as dt
import os
import random
import signal
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import httpx
from msgspec import json
from sqlalchemy import create_engine, make_url, select

from recsys.contracts.audit import AuditKind, Checkpoint
from serving.audit.records import Erased, decode_payload
from serving.stores import Store, open_store, schema
from support.server import Server, workers_of
from support.shop import POLICY, TYPES, Shop
from support.tokens import token
from support.told import told

CAP: Final = 2
CAPPED: Final = f'{POLICY}\n[[cap]]\nper = "offer"\nmax = {CAP}\nhours = 24\n'
WRITERS: Final = 4
ENOUGH: Final = 30  # writes that were acknowledged, before the first signal
START_SECONDS: Final = 180  # on a machine that does much else
OFFERS: Final = [f"offer-{kind}-1" for kind in TYPES if kind not in {"beer", "wine", "test"}]


@dataclass
class Ledger:
    """What was acknowledged to one writer, and which erasures were asked for."""

    exposures: defaultdict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    dismissed: defaultdict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    consents: dict[str, dt.datetime] = field(default_factory=dict)
    changes: Counter[str] = field(default_factory=Counter)
    decisions: set[str] = field(default_factory=set)
    places: Counter[tuple[str, str]] = field(default_factory=Counter)
    erased: dict[str, str] = field(default_factory=dict)  # the order by which each was
    statuses: Counter[int] = field(default_factory=Counter)
    cut: int = 0

    @property
    def acknowledged(self) -> int:
        """How many writes."""
        return self.statuses[httpx.codes.OK]


class Writer:
    """Reports, changes, asks and erases at random until told to stop; goes on where a connection is cut."""

    def __init__(self, name: str, server: Server, now: dt.datetime) -> None:
        self.ledger = Ledger()
        self._name, self._now, self._count = name, now, 0
        self._own, self._rng = token(f"own {name}"), random.Random(name)  # noqa: S311 - no secret
        self._http = httpx.Client(base_url=server.url, headers={"authorization": f"Bearer {server.key}"}, timeout=30)

    def run(self, stop: threading.Event) -> None:
        """Write until then."""
        acts: list[Callable[[], None]] = [self._show, self._consent, self._dismiss, self._say_no, self._ask]
        acts += [self._reserve, self._leave]
        with self._http:
            while not stop.is_set():
                try:
                    self._rng.choice(acts)()
                except httpx.TransportError:  # killed before it answered: it may have happened or not
                    self.ledger.cut += 1
                    stop.wait(0.02)

    def _sent(self, method: str, path: str, body: object, **headers: str) -> dict[str, Any] | None:
        response = self._http.request(method, path, json=body, headers=headers)
        self.ledger.statuses[response.status_code] += 1
        answer: dict[str, Any] = response.json()
        return answer if response.status_code == httpx.codes.OK else None

    def _new(self) -> str:
        self._count += 1
        return f"{self._name}.{self._count}"

    def _event(self, kind: str, subject: str, offer: str) -> str | None:
        name = self._new()
        event = {"event_id": name, "type": kind, "subject": subject, "at": self._now.isoformat(), "offer_id": offer}
        event |= {"channel": "email"} if kind == "exposure" else {}
        answer = self._sent("POST", "/v1/events", event)
        return name if answer is not None and answer["accepted"] else None

    def _show(self, subject: str | None = None) -> None:
        whose = subject or self._own
        if name := self._event("exposure", whose, self._rng.choice(OFFERS)):
            self.ledger.exposures[whose].add(name)

    def _say_no(self) -> None:
        offer = self._rng.choice(OFFERS)
        if self._event("dismissal", self._own, offer):
            self.ledger.dismissed[self._own].add(offer)

    def _consent(self, subject: str | None = None) -> None:
        whose, self._count = subject or self._own, self._count + 1
        at = self._now + dt.timedelta(milliseconds=self._count)
        said = {"granted": self._rng.random() < 0.5, "at": at.isoformat(), "source": "test"}
        if self._sent("PUT", "/v1/preferences", {"subject": whose, "consents": {"channel:push": said}}):
            self.ledger.consents[whose] = at
            self.ledger.changes[whose] += 1

    def _dismiss(self) -> None:
        value = f"GROCERY / {self._new()}"
        change = {"subject": self._own, "dismiss": [{"scope": "category", "value": value}]}
        if self._sent("PUT", "/v1/preferences", change):
            self.ledger.dismissed[self._own].add(value)
            self.ledger.changes[self._own] += 1

    def _ask(self) -> None:
        """Of everybody who was loaded, so that lists have offers."""
        self._decide(token(self._rng.randrange(8, 80)))

    def _reserve(self) -> None:
        """Of eight people whom all writers of all rounds share, so that there is a cap to go over."""
        subject = token(self._rng.randrange(8))
        answer = self._decide(subject, reserve_seconds=3600)
        for item in answer["items"] if answer else ():
            self.ledger.places[subject, item["offer_id"]] += 1

    def _decide(self, subject: str, **more: object) -> dict[str, Any] | None:
        body = {"subject": subject, "channel": "email", "count": 2, **more}
        answer = self._sent("POST", "/v1/decisions", body, **{"Idempotency-Key": f'"{self._new()}"'} if more else {})
        if answer:
            self.ledger.decisions.add(answer["decision_id"])
        return answer

    def _leave(self) -> None:
        """Somebody comes, leaves something behind, and is erased."""
        leaver = token(f"leaver {self._new()}")
        self._show(leaver)
        self._consent(leaver)
        for kept in (self.ledger.exposures, self.ledger.consents, self.ledger.changes):
            kept.pop(leaver, None)  # whether it stays depends on an erasure that may be cut
        if receipt := self._sent("POST", "/v1/subjects/erase", {"subjects": [leaver]}):
            self.ledger.erased[leaver] = receipt["order_id"]


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


@contextlib.contextmanager
def writing(server: Server, name: str, now: dt.datetime) -> Iterator[list[Ledger]]:
    """Writers that write while the block lasts; their ledgers."""
    writers, stop = [Writer(f"{name}.{number}", server, now) for number in range(WRITERS)], threading.Event()
    threads = [threading.Thread(target=writer.run, args=(stop,)) for writer in writers]
    for thread in threads:
        thread.start()
    try:
        yield [writer.ledger for writer in writers]
    finally:
        stop.set()
        for thread in threads:
            thread.join(60)


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
        with writing(server, f"r{self._number}", self._now) as ledgers:
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
