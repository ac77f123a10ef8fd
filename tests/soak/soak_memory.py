"""A million requests to a worker with 100,000 items and a million subjects: how much memory it holds, and whether more.

    make soak
    PYTHONPATH=tests:. python tests/soak/soak_memory.py --work build/soak-memory --requests 100000

Every request asks for another subject. The status is 1 where memory has grown by a twentieth between the second fifth
of the requests and the last, or where a request was not answered. Takes about an hour; time does not matter to it.
"""

from __future__ import annotations

import argparse
import asyncio
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec
import numpy as np
import polars as pl
from support.bars import Bar, status_of
from support.commands import succeeded
from support.load import Caller, Load, quantile, resident
from support.server import Server
from support.shop import AS_OF, EVERYTHING, POLICY, Shop
from support.tokens import token

from benchmarks.made_up import ITEMS, bundle_of, lens_of, ranker_of
from recsys.contracts.catalogue import CATALOGUE
from recsys.contracts.offers import OFFERS
from recsys.contracts.purchases import PURCHASES
from recsys.contracts.subjects import SUBJECTS
from training.export import seal
from training.registry.writing import serve_if_first, write_bundle
from training.signing import read_signing_key

LINES_EACH, OFFERED = 5, 200
CONNECTIONS, LOOKS, GROWTH = 3, 50, 1.05
ALIVE: Final = {"RECSYS_SERVE_MAX_IN_FLIGHT": "64"}


def main(arguments: Sequence[str] | None = None) -> int:
    """Print what the worker holds as it goes; the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--requests", type=int, default=1_000_000)
    parser.add_argument("--subjects", type=int, default=1_000_000)
    options = parser.parse_args(arguments)
    shutil.rmtree(options.work, ignore_errors=True)
    options.work.mkdir(parents=True)
    known = [token(number) for number in range(options.subjects)]
    shop = build(options.work, known)
    state = f"sqlite:///{options.work / 'state.db'}"
    succeeded("serving", *shop.load_options(state))
    bodies = [msgspec.json.encode({"subject": one, "channel": "email", "count": 10}) for one in known]
    with Server(*shop.serve_options(state), environment=ALIVE) as server:
        say(f"at rest {resident([server.process.pid]):,.0f} MiB")
        memory, wrong = asyncio.run(drive(server, bodies, options.requests))
    bars = bars_of(memory, wrong)
    say("\n".join(map(str, bars)))
    return status_of(bars)


def bars_of(memory: Sequence[float], wrong: int) -> list[Bar]:
    """What has to hold: the memory stays as it was, and everything is answered."""
    part = LOOKS // 5
    grown = quantile(memory[-part:], 0.5) / quantile(memory[part : 2 * part], 0.5)
    return [Bar("memory in the last fifth, times that in the second", grown, GROWTH), Bar("not answered", wrong, 0)]


async def drive(server: Server, bodies: list[bytes], requests: int) -> tuple[list[float], int]:
    """MiB after each part of the requests; and how many were not answered."""
    memory, wrong = [], 0
    async with Caller(server.url, server.key, bodies) as caller:
        for look in range(1, LOOKS + 1):
            load = Load()
            await asyncio.gather(*(several(caller, load, requests // LOOKS // CONNECTIONS) for _ in range(CONNECTIONS)))
            wrong += sum(load.wrong.values()) + len(load.refused)
            memory.append(resident([server.process.pid]))
            say(f"{look * requests // LOOKS:>9,} requests {memory[-1]:8,.0f} MiB")
    return memory, wrong


async def several(caller: Caller, load: Load, requests: int) -> None:
    """One after the other."""
    for _ in range(requests):
        await caller.send(load)


def build(folder: Path, known: Sequence[str]) -> Shop:
    """A shop that knows so many, with a made-up model of the default size."""
    shop, rng, items = Shop(folder), np.random.default_rng(0), [str(number) for number in range(ITEMS)]
    paths = [f"FOOD / AISLE {number % 50} / TYPE {number % 1_000}" for number in range(ITEMS)]
    offered = [[items[one]] for one in rng.choice(ITEMS, OFFERED, replace=False)]
    titles = [f"offer-{number}" for number in range(OFFERED)]
    shop.guards.write_text(POLICY)
    CATALOGUE.write(pl.DataFrame({"item": items, "category": paths, "title": items}), shop.file("catalogue"))
    OFFERS.write(pl.DataFrame({"offer_id": titles, "items": offered, "title": titles}), shop.file("offers"))
    succeeded("training", "keys", "init", "--signing-key", folder / "signing.key")
    publish(shop)
    everyone = np.array(known).repeat(LINES_EACH)
    PURCHASES.write(lines(everyone, rng.choice(items, len(everyone)), rng), shop.file("purchases"))
    SUBJECTS.write(pl.DataFrame({"subject": known, "consents": [EVERYTHING] * len(known)}), shop.file("subjects"))
    return shop


def publish(shop: Shop) -> None:
    """Seal the made-up model."""
    models, name, rng = shop.bundle.parent, shop.bundle.name, np.random.default_rng(0)
    bundle = bundle_of(lens_of(rng), ranker_of(rng, 1), name)
    sealed = seal(bundle, read_signing_key(shop.folder / "signing.key"))
    write_bundle(models, name, sealed.manifest.version, sealed.files)
    serve_if_first(models, name, sealed.manifest.version)


def lines(subjects: np.ndarray, items: np.ndarray, rng: np.random.Generator) -> pl.DataFrame:
    """One of each bought, on some day of the half year before."""
    ago = pl.Series(rng.integers(1, 180, len(items)))
    frame = pl.DataFrame({"subject": subjects, "item": items, "quantity": np.ones(len(items))})
    return frame.with_columns(day=pl.lit(AS_OF) - pl.duration(days=ago))


def say(line: str) -> None:
    """Print at once: the whole takes an hour."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
