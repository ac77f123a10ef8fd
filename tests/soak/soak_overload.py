"""Twice what the service can do, for five minutes: who is let in is served in time, the rest is told so at once.

    make soak
    PYTHONPATH=tests:. python tests/soak/soak_overload.py --work build/soak-overload --seconds 60

On this machine, in one run: one caller alone, what one worker does unloaded (a quarter of its capacity, in an open
loop, where somebody waits for somebody now and then), its capacity (as many callers as it has places), twice that in
an open loop, and unloaded again. The worker has as many places as deploy/serve.toml gives it; the bars are against the
unloaded, before. What one caller alone had is told beside it, and so is all of it with the default's places, for a
fifth of the time and without a bar. The status is 1 where a bar is missed. Load and service share the machine; where
it is busy with something else the unloaded p99 is longer, which loosens the bars: above a load of 0.5 nothing is
measured, status 2, unless `--most-load` allows it. The load stands beside the figures.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import shutil
import sys
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec
from support.bars import Bar, status_of
from support.commands import succeeded
from support.load import Caller, Load, quantile, resident
from support.server import Server
from support.shop import Shop, build
from support.tokens import token

from serving.settings import Settings

# Whoever is let in waits for at most four others; with 3, every twentieth was refused at a quarter of the capacity.
SHIPPED: Final[int] = tomllib.loads((Path(__file__).parents[2] / "deploy" / "serve.toml").read_text())["max_in_flight"]
DEFAULT: Final[int] = Settings.model_fields["max_in_flight"].default
TIMES, SLOWER, GROWTH = 2.0, 3.0, 1.05
QUIET: Final = 0.5  # of the last minute; our own begins after it was read
LIGHT = 0.25  # of the capacity: nearly nobody waits for anybody
BODIES = [msgspec.json.encode({"subject": token(number), "channel": "email", "count": 5}) for number in range(80)]


@dataclass(frozen=True)
class Soaked:
    """What was measured: loads, and MiB of the server along the way."""

    alone: Load
    before: Load
    capacity: Load
    loaded: Load
    after: Load
    memory: Sequence[float]

    def figures(self) -> str:
        """What there is to read."""
        rows = [
            f"{name:<12} {load.rate:8.0f} answered/s {len(load.refused) / load.seconds:8.0f} refused/s   "
            f"p50 {quantile(load.accepted, 0.5) * 1e3:7.1f} ms   p99 {load.p99 * 1e3:7.1f} ms   {dict(load.wrong)}"
            for name, load in (
                ("alone", self.alone),
                ("unloaded", self.before),
                ("capacity", self.capacity),
                ("overload", self.loaded),
                ("afterwards", self.after),
            )
        ]
        times = self.loaded.p99 / self.alone.p99
        rows.append(f"overload     its p99 is {times:.2f} times that of one caller alone (no bar)")
        first, last, most = self.memory[0], self.memory[-1], max(self.memory)
        rows.append(f"memory       {first:.0f} MiB at first, {last:.0f} at last, {most:.0f} at most")
        return "\n".join(rows)

    def bars(self) -> list[Bar]:
        """What has to hold."""
        part, unloaded = max(1, len(self.memory) // 5), self.before.p99
        grown = quantile(self.memory[-part:], 0.5) / quantile(self.memory[part : 2 * part], 0.5)
        later = quantile(self.after.accepted, 0.5) / quantile(self.before.accepted, 0.5)
        wrong = sum(
            sum(load.wrong.values()) for load in (self.alone, self.before, self.capacity, self.loaded, self.after)
        )
        return [
            Bar("p99 of the accepted, times the unloaded p99", self.loaded.p99 / unloaded, SLOWER),
            Bar("p99 of the refused, times the unloaded p99", quantile(self.loaded.refused, 0.99) / unloaded, SLOWER),
            Bar("answers that are neither, and refusals without Retry-After", wrong, 0),
            Bar("capacity over what was answered under overload", self.capacity.rate / self.loaded.rate, 2.0),
            Bar("memory in the last fifth, times that in the second", grown, GROWTH),
            Bar("unloaded median afterwards, times that before", later, 1.5),
            Bar("share refused afterwards: a burst now and then", share(self.after), 0.05),
        ]


def share(load: Load) -> float:
    """Of the refused."""
    return len(load.refused) / max(1, len(load.refused) + len(load.accepted))


def driven(shop: Shop, state: str, places: int, seconds: float) -> Soaked:
    """What was measured of a worker with so many places."""
    with Server(*shop.serve_options(state), environment={"RECSYS_SERVE_MAX_IN_FLIGHT": str(places)}) as server:
        return asyncio.run(drive(server, places, seconds))


async def drive(server: Server, places: int, seconds: float) -> Soaked:
    """Drive the server."""
    async with Caller(server.url, server.key, BODIES) as caller:
        await caller.closed(places, seconds / 30)  # warm
        alone = await caller.closed(1, seconds / 30)
        capacity = await caller.closed(places, seconds / 6)
        before = await caller.open(LIGHT * capacity.rate, seconds / 4)
        memory: list[float] = []
        watching = asyncio.create_task(watch(server.process.pid, memory, every=seconds / 100))
        loaded = await caller.open(TIMES * capacity.rate, seconds)
        watching.cancel()
        await asyncio.sleep(1)
        after = await caller.open(LIGHT * capacity.rate, seconds / 4)
    return Soaked(alone, before, capacity, loaded, after, memory)


async def watch(pid: int, memory: list[float], *, every: float) -> None:
    """Look at the memory now and then."""
    while True:
        memory.append(resident([pid]))
        await asyncio.sleep(every)


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the figures and the bars; the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--seconds", type=float, default=300.0)
    parser.add_argument("--most-load", type=float, default=QUIET, help="of the machine, before it begins")
    options = parser.parse_args(arguments)
    load = os.getloadavg()[0]
    machine = f"load {load:.2f} before it began, {os.cpu_count()} processors"
    if not load <= options.most_load:
        sys.stdout.write(f"NOT GRADED   {machine}: more than {options.most_load:g}; wait, or allow it by --most-load\n")
        return 2
    shutil.rmtree(options.work, ignore_errors=True)
    options.work.mkdir(parents=True)
    shop: Shop = build(options.work)
    state = f"sqlite:///{options.work / 'state.db'}"
    succeeded("serving", *shop.load_options(state))
    shipped = driven(shop, state, SHIPPED, options.seconds)
    bars = shipped.bars()
    sys.stdout.write(
        "\n".join([f"places       {SHIPPED}, as shipped; {machine}", shipped.figures(), *map(str, bars), ""])
    )
    default = driven(shop, state, DEFAULT, options.seconds / 5)
    sys.stdout.write("\n".join([f"places       {DEFAULT}, the default: no bar; {machine}", default.figures(), ""]))
    return status_of(bars)


if __name__ == "__main__":
    sys.exit(main())
