"""Prove the service: what HTTP answers equals deciding offline on the state that it exports, for 10,000 requests.

    make prove

A shop with a real bundle, some weeks of events and preferences over HTTP, then generated requests.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from pathlib import Path

from support.agreement_http import RULES, differences, live, serving
from support.commands import succeeded
from support.server import Server
from support.shop import build


def main() -> int:
    """Print how many answers differ; the status says whether any does."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--requests", type=int, default=10_000)
    options = parser.parse_args()
    shutil.rmtree(options.work, ignore_errors=True)
    options.work.mkdir(parents=True)
    shop = build(options.work)
    guards = options.work / "consistent.toml"
    guards.write_text(shop.guards.read_text() + RULES)
    state = f"sqlite:///{options.work / 'state.db'}"
    succeeded("serving", *shop.load_options(state))
    with Server(*serving(shop, state, guards)) as server:
        live(server, seed=1)
        found = differences(server, shop, guards, count=options.requests, seed=2)
    sys.stdout.write(f"{options.requests:,} decisions over HTTP: {len(found)} differ from deciding offline.\n")
    sys.stdout.writelines(f"{line}\n" for line in found[:5])
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
