"""Writers who report, change, ask and erase at random, and keep a ledger of what the service said yes to."""

from __future__ import annotations

import contextlib
import datetime as dt
import random
import threading
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Final

import httpx

from support.shop import TYPES
from support.tokens import token

WRITERS: Final = 4
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
    broke: str = ""  # what the writer ended of, if it was not told to

    @property
    def acknowledged(self) -> int:
        """How many writes."""
        return self.statuses[httpx.codes.OK]


class Writer:
    """Reports, changes, asks and erases at random until told to stop; goes on where a connection is cut."""

    def __init__(self, name: str, url: str, key: str, now: dt.datetime) -> None:
        self.ledger = Ledger()
        self._name, self._now, self._count = name, now, 0
        self._own, self._rng = token(f"own {name}"), random.Random(name)  # noqa: S311 - no secret
        self._http = httpx.Client(base_url=url, headers={"authorization": f"Bearer {key}"}, timeout=30)

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


@contextlib.contextmanager
def writing(url: str, key: str, name: str, now: dt.datetime) -> Iterator[list[Ledger]]:
    """Writers that write while the block lasts; their ledgers."""
    writers, stop = [Writer(f"{name}.{number}", url, key, now) for number in range(WRITERS)], threading.Event()
    with ThreadPoolExecutor(WRITERS) as pool:
        under_way = [pool.submit(writer.run, stop) for writer in writers]
        try:
            yield [writer.ledger for writer in writers]
        finally:
            stop.set()
            for writer, one in zip(writers, under_way, strict=True):
                error = one.exception(60)
                writer.ledger.broke = repr(error) if error else ""
