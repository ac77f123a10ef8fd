"""SIGKILL in the middle of writing, a hundred rounds on each store: nothing that was acknowledged is lost.

    make soak
    PYTHONPATH=tests:. python tests/soak/soak_kill.py --work build/soak-kill --rounds 20

On SQLite the only worker is killed, which is the server; on both stores one of two workers or both, while the process
that started them starts new ones. What was acknowledged is looked for after each round, and all of it at the end.
"""

from __future__ import annotations

import argparse
import secrets
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from support.commands import succeeded
from support.killing import Rounds
from support.ledgers import Ledger
from support.postgres import Postgres
from support.shop import Shop, build


def main() -> int:
    """Print what was written, cut and lost; the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--rounds", type=int, default=100, help="On each store.")
    parser.add_argument("--store", choices=("sqlite", "postgresql"), help="One of them only.")
    parser.add_argument("--seed", type=int, default=secrets.randbits(32))
    options = parser.parse_args()
    shutil.rmtree(options.work, ignore_errors=True)
    options.work.mkdir(parents=True)
    shop, server = build(options.work), Postgres()
    half = (options.rounds + 1) // 2
    try:
        file, database = f"sqlite:///{options.work / 'state.db'}", server.database()
        found: list[str] = []
        if options.store != "postgresql":
            found += soak("sqlite", shop, file, options.seed, alone=half, workers=options.rounds - half)
        if options.store != "sqlite":
            found += soak("postgresql", shop, database, options.seed, alone=0, workers=options.rounds)
    finally:
        server.stop()
    sys.stdout.write(f"seed {options.seed}\n")
    return 1 if found else 0


def soak(name: str, shop: Shop, state: str, seed: int, *, alone: int, workers: int) -> list[str]:
    """What was lost on one store in so many rounds of each kind."""
    succeeded("serving", *shop.load_options(state))
    rounds = Rounds(shop, state, seed=seed)
    found = rounds.kill_the_server(alone) + rounds.kill_workers(workers)
    sys.stdout.write(f"{name}: {alone} rounds of the server, {workers} of workers; {told(rounds.ledgers)}\n")
    sys.stdout.write("".join(f"  LOST {one}\n" for one in found) or "  nothing was lost\n")
    sys.stdout.flush()
    return found


def told(ledgers: Sequence[Ledger]) -> str:
    """What was written."""
    kinds = ("exposures", "dismissed", "consents", "decisions", "erased")
    counts = {kind: sum(_size(getattr(ledger, kind)) for ledger in ledgers) for kind in kinds}
    writes = sum(ledger.acknowledged for ledger in ledgers)
    parts = ", ".join(f"{count:,} {kind}" for kind, count in counts.items())
    return f"{writes:,} acknowledged ({parts}), {sum(ledger.cut for ledger in ledgers):,} cut"


def _size(kept: object) -> int:
    if isinstance(kept, dict):
        return sum(len(value) if isinstance(value, set) else 1 for value in kept.values())
    return len(kept) if isinstance(kept, set) else 0


if __name__ == "__main__":
    sys.exit(main())
