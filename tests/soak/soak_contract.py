"""Schemathesis over the whole OpenAPI document for longer than `make test` has, with a seed that is drawn and printed.

    make soak
    PYTHONPATH=tests:. python tests/soak/soak_contract.py --work build/soak-contract --examples 300

One worker on SQLite, then two on PostgreSQL.
"""

from __future__ import annotations

import argparse
import secrets
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from support.commands import succeeded
from support.fuzz import Run, fuzz
from support.postgres import Postgres
from support.server import Server
from support.shop import Shop, build


def main(arguments: Sequence[str] | None = None) -> int:
    """Print what was tried and what was found; the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--examples", type=int, default=300, help="For each operation, in each of four runs.")
    parser.add_argument("--seed", type=int, default=secrets.randbits(32))
    options = parser.parse_args(arguments)
    shutil.rmtree(options.work, ignore_errors=True)
    options.work.mkdir(parents=True)
    shop, postgres = build(options.work), Postgres()
    try:
        found = [
            *gone_over("SQLite", shop, f"sqlite:///{options.work / 'state.db'}", options),
            *gone_over("PostgreSQL", shop, postgres.database(), options, "--workers", 2),
        ]
    finally:
        postgres.stop()
    sys.stdout.write(f"seed {options.seed}\n")
    return 1 if any(one.status for one in found) else 0


def gone_over(name: str, shop: Shop, state: str, options: argparse.Namespace, *more: object) -> list[Run]:
    """All runs on one store."""
    succeeded("serving", *shop.load_options(state))
    with Server(*shop.serve_options(state), *more) as server:
        runs = fuzz(server, options.work, examples=options.examples, seed=options.seed)
    for one in runs:
        found = "as documented" if one.status == 0 else one.output
        sys.stdout.write(f"{name}, {one.name}: {one.cases:,} requests, {found}\n")
    return runs


if __name__ == "__main__":
    sys.exit(main())
