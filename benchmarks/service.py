"""The service against the bare endpoint: `python -m benchmarks.service [--work build/demo] [--seconds 10]`.

Needs the files that `make demo` leaves. Both answer the same questions of the same 16 connections, in turn, with one
worker each, at the service's defaults (max_in_flight 16: one place a connection, so that nobody is refused). Every
request asks for ten places to be reserved for a second and carries an Idempotency-Key, as `serving.client` sends it:
the service keeps state, applies guards, reserves under the caps, writes its audit log, and keeps the answer for a
repetition. A second, so that a person's places are free again when the next list is asked for; else lists would run
out of offers and cost less. The bare endpoint ignores both. Then two workers, on SQLite and on PostgreSQL, and a
store of a million subjects against one of a thousand. Client and server share the machine, so that requests a second
are of this machine only; the ratios are what is claimed. The status is 1 where a bar is missed; an aim is none.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

import msgspec
import numpy as np
import polars as pl
from support.bars import Bar, status_of
from support.commands import succeeded
from support.load import Caller, Load, quantile, resident
from support.postgres import Postgres
from support.server import Server

from recsys.contracts.purchases import PURCHASES
from recsys.contracts.subjects import SUBJECTS

CONNECTIONS: Final = 16
ROUNDS: Final = 3
POLICY: Final = Path(__file__).parents[1] / "examples" / "policies" / "grocery.toml"
RESERVED: Final = 1  # seconds
NOW: Final = "2017-11-27T09:00:00Z"
MANY, FEW, DAYS_EACH = 1_000_000, 1_000, 5


@dataclass(frozen=True)
class Answered:
    """Loads of the same server in several rounds, and the seconds of the processor that its workers took for each."""

    loads: Sequence[Load]
    seconds: Sequence[float]

    @property
    def rate(self) -> float:
        """Answered a second."""
        return float(np.median([load.rate for load in self.loads]))

    def quantile(self, share: float) -> float:
        """Milliseconds."""
        return float(quantile([one for load in self.loads for one in load.accepted], share)) * 1e3

    @property
    def processor(self) -> float:
        """Milliseconds of a request."""
        return sum(self.seconds) / sum(len(load.accepted) for load in self.loads) * 1e3

    def __str__(self) -> str:
        times = f"p50 {self.quantile(0.5):6.1f} ms   p99 {self.quantile(0.99):6.1f} ms"
        return f"{self.rate:7.0f} /s   {times}   {self.processor:.2f} ms of processor"


class Bare(NamedTuple):
    """The bare endpoint: where it is, and its first process."""

    url: str
    pid: int


def main(arguments: Sequence[str] | None = None) -> int:
    """Print what each does, the ratios and their bars; the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, default=Path("build/demo"))
    parser.add_argument("--seconds", type=float, default=10.0)
    given = parser.parse_args(arguments)
    subjects = pl.read_parquet(given.work / "release" / "subjects.parquet")["subject"].sort()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        bars = beside_the_bare(given.work, folder, subjects, given.seconds)
        with_two_workers(given.work, folder, subjects, given.seconds)
        bars += of_a_million(given.work, folder, given.seconds)
    say("\n".join(map(str, bars)))
    status: int = status_of(bars)
    return status


def beside_the_bare(work: Path, folder: Path, subjects: pl.Series, seconds: float) -> list[Bar]:
    """One worker each, in turn."""
    bodies = questions(subjects)
    with bare(work) as other, serving(work, f"sqlite:///{copied(work, folder)}") as server:
        theirs, ours = alternated(other, server, bodies, seconds)
        memory = resident([server.process.pid])
        stages = stage_seconds(server)
    say(f"bare endpoint                    {theirs}")
    say(f"the service, SQLite              {ours}   {memory:,.0f} MiB")
    say(f"its processor, times the bare's  {ours.processor / theirs.processor:7.2f}")
    say(f"a decision by stage, ms          {stages}")
    return bars_of(theirs, ours)


def bars_of(theirs: Answered, ours: Answered) -> list[Bar]:
    """What one worker has to hold against the bare endpoint's."""
    return [
        Bar("throughput, times the bare endpoint's", ours.rate / theirs.rate, least=0.5),
        Bar("p99, times the bare endpoint's", ours.quantile(0.99) / theirs.quantile(0.99), most=2),
    ]


def with_two_workers(work: Path, folder: Path, subjects: pl.Series, seconds: float) -> None:
    """On both stores, each in turn with the bare endpoint with two."""
    bodies, release = questions(subjects), work / "release"
    with bare(work, workers=2) as other, database() as state:
        loaded(state, work, release / "purchases.parquet", release / "subjects.parquet")
        for name, url in (("SQLite", f"sqlite:///{copied(work, folder)}"), ("PostgreSQL", state)):
            with serving(work, url, "--workers", 2) as server:
                theirs, ours = alternated(other, server, bodies, seconds)
            say(f"two workers, bare endpoint       {theirs}")
            say(f"two workers, {name:<20}{ours}")
            say(f"its throughput, times the bare's {ours.rate / theirs.rate:7.2f}      (aim: 0.4)")


def alternated(bare: Bare, server: Server, bodies: Sequence[bytes], seconds: float) -> tuple[Answered, Answered]:
    """Load on both in turn, several times, once they are warm."""
    theirs, ours = [], []
    load(bare.url, "", bodies, seconds / 4)
    load(server.url, server.key, bodies, seconds / 4)
    for _ in range(ROUNDS):
        theirs.append(measured(bare.pid, bare.url, "", bodies, seconds))
        ours.append(measured(server.process.pid, server.url, server.key, bodies, seconds))
    return Answered(*zip(*theirs, strict=True)), Answered(*zip(*ours, strict=True))


def measured(pid: int, url: str, key: str, bodies: Sequence[bytes], seconds: float) -> tuple[Load, float]:
    """What became of the requests, and the processor time that the workers took."""
    before = processor(pid)
    found = load(url, key, bodies, seconds)
    return found, processor(pid) - before


def of_a_million(work: Path, folder: Path, seconds: float) -> list[Bar]:
    """The processor time of a request with many subjects in the store, and with few."""
    spent, memory = [], 0.0
    for people in (FEW, MANY):
        purchases, subjects = made_up(work, folder, people)
        state = f"sqlite:///{folder / f'{people}.db'}"
        loaded(state, work, purchases, subjects)
        everyone = pl.read_parquet(subjects, columns=["subject"])["subject"]
        bodies = questions(everyone.sample(min(people, 50_000), seed=0))
        with serving(work, state) as server:
            load(server.url, server.key, bodies, seconds / 4)
            found = Answered(*zip(measured(server.process.pid, server.url, server.key, bodies, seconds), strict=True))
            memory = resident([server.process.pid])
        spent.append(found.processor)
        say(f"{people:>9,} subjects in the store    {found}   {memory:,.0f} MiB")
    return [Bar("processor of a request among many, times among few", spent[1] / spent[0], most=1.2)]


def questions(subjects: pl.Series) -> list[bytes]:
    """One for each subject, in an order of chance."""
    return [
        msgspec.json.encode({"subject": one, "channel": "email", "count": 10, "reserve_seconds": RESERVED})
        for one in subjects.sample(len(subjects), shuffle=True, seed=1)
    ]


def load(url: str, key: str, bodies: Sequence[bytes], seconds: float) -> Load:
    """What became of the requests of all connections."""

    async def ask() -> Load:
        async with Caller(url, key, bodies, keyed=True) as caller:
            return await caller.closed(CONNECTIONS, seconds)

    found = asyncio.run(ask())
    if found.wrong or found.refused:
        raise RuntimeError(f"{len(found.refused)} refused, {dict(found.wrong)}")
    return found


def copied(work: Path, folder: Path) -> Path:
    """A state of the demo, loaded anew."""
    path = Path(tempfile.mkdtemp(dir=folder)) / "state.db"
    release = work / "release"
    loaded(f"sqlite:///{path}", work, release / "purchases.parquet", release / "subjects.parquet")
    return path


def loaded(state: str, work: Path, purchases: Path, subjects: Path) -> None:
    """`recsys-serve load`."""
    succeeded(
        *("serving", "load", "--state", state, "--purchases", purchases, "--subjects", subjects),
        *("--catalogue", work / "raw" / "catalogue.parquet", "--guards", POLICY),
    )


@contextlib.contextmanager
def serving(work: Path, state: str, *more: object) -> Iterator[Server]:
    """The real service, at its defaults."""
    raw = work / "raw"
    with Server(
        *("--bundle", work / "models" / "grocery", "--trust", work / "signing.key.pub", "--guards", POLICY),
        *("--catalogue", raw / "catalogue.parquet", "--offers", raw / "offers.parquet"),
        *("--state", state, "--port", 0, "--now", NOW, *more),
    ) as server:
        yield server


@contextlib.contextmanager
def bare(work: Path, workers: int = 1) -> Iterator[Bare]:
    """The bare endpoint, once it answers."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
    words = [sys.executable, "-m", "benchmarks.bare_service", str(port), str(workers)]
    with subprocess.Popen(words, env={**os.environ, "BARE": str(work)}) as process:  # noqa: S603 - our own script
        url = f"http://127.0.0.1:{port}"
        try:
            for _ in range(600):
                with contextlib.suppress(OSError), urllib.request.urlopen(f"{url}/openapi.json"):  # noqa: S310 - as above
                    break
                time.sleep(0.1)
            yield Bare(url, process.pid)
        finally:
            process.send_signal(signal.SIGTERM)


@contextlib.contextmanager
def database() -> Iterator[str]:
    """An empty database of a PostgreSQL of its own, which waits for the disk as any does."""
    postgres = Postgres()
    try:
        postgres.execute("ALTER SYSTEM SET fsync = on")
        postgres.execute("SELECT pg_reload_conf()")
        yield postgres.database()
    finally:
        postgres.stop()


def made_up(work: Path, folder: Path, people: int) -> tuple[Path, Path]:
    """Purchases of so many subjects, each a few of the demo's lines, under tokens of its domain and epoch."""
    lines = pl.read_parquet(work / "release" / "purchases.parquet", columns=["subject", "item", "day", "quantity"])
    form = lines["subject"][0]
    alphabet, size = np.array(list("abcdefghijklmnopqrstuvwxyz234567")), len(form.rpartition(".")[2])
    rng = np.random.default_rng(people)
    drawn_bits = rng.integers(0, 32, (people, size))
    drawn_bits[:, -1] &= 0b11100  # 128 bits in 26 characters leave two of the last one unused
    tails = alphabet[drawn_bits].view(f"<U{size}").ravel()
    tokens = pl.Series(tails).str.replace("^", f"{form.rpartition('.')[0]}.")
    drawn = lines.sample(people * DAYS_EACH, with_replacement=True, seed=people).with_columns(
        subject=tokens.gather(np.arange(people * DAYS_EACH) % people)
    )
    consents = ["profiling", "training", "channel:email"]
    purchases, subjects = folder / f"purchases-{people}.parquet", folder / f"subjects-{people}.parquet"
    PURCHASES.write(drawn, purchases)
    SUBJECTS.write(pl.DataFrame({"subject": tokens, "consents": [consents] * people}), subjects)
    return purchases, subjects


def stage_seconds(server: Server) -> str:
    """Mean milliseconds of each stage, from the service's own figures."""
    figures: dict[tuple[str, str], float] = {}
    for line in server.http.get("/metrics").text.splitlines():
        name, _, rest = line.partition('{stage="')
        if name in {"recsys_stage_seconds_sum", "recsys_stage_seconds_count"}:
            stage, _, value = rest.partition('"} ')
            figures[stage, name.rpartition("_")[2]] = float(value)
    stages = sorted({stage for stage, _ in figures})
    return "   ".join(f"{one} {figures[one, 'sum'] / figures[one, 'count'] * 1e3:.2f}" for one in stages)


def processor(pid: int) -> float:
    """Seconds of the processor that a process and those that it started took: proc(5)."""
    process = Path(f"/proc/{pid}")
    fields = (process / "stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    children = (process / "task" / str(pid) / "children").read_text(encoding="utf-8").split()
    return (int(fields[11]) + int(fields[12])) / 100 + sum(processor(int(child)) for child in children)


def say(line: str) -> None:
    """Print at once: the whole takes minutes."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
