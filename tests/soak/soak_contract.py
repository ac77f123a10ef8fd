"""Schemathesis over the whole OpenAPI document for longer than `make test` has, with a seed that is drawn and printed.

make soak
PYTHONPATH=tests:. python tests/soak/soak_contract.py --work build/soak-contract --examples 300
"""

from __future__ import annotations

import argparse
import secrets
import shutil
import sys
from pathlib import Path

from support.commands import succeeded
from support.fuzz import fuzz
from support.server import Server
from support.shop import build


def main() -> int:
    """Print what was tried and what was found; the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--examples", type=int, default=300, help="For each operation, in each of three runs.")
    parser.add_argument("--seed", type=int, default=secrets.randbits(32))
    options = parser.parse_args()
    shutil.rmtree(options.work, ignore_errors=True)
    options.work.mkdir(parents=True)
    shop = build(options.work)
    state = f"sqlite:///{options.work / 'state.db'}"
    succeeded("serving", *shop.load_options(state))
    with Server(*shop.serve_options(state)) as server:
        runs = fuzz(server, options.work, examples=options.examples, seed=options.seed)
    for one in runs:
        sys.stdout.write(f"{one.name}: {one.cases:,} requests, {'as documented' if one.status == 0 else one.output}\n")
    sys.stdout.write(f"seed {options.seed}\n")
    return 1 if any(one.status for one in runs) else 0


if __name__ == "__main__":
    sys.exit(main())
