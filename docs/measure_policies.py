"""Measures the policies of the example, and writes the tables of `docs/policies.md`: `make policy-lab`.

    python docs/measure_policies.py --demo build/demo --out build/policy-lab

Runs `recsys-evaluate policy` replay, fairness, leakage and simulate on what `make demo` made; the pages stay in --out.
Tokens depend on the vault's key, and with them the order of people and the draws: the last digits differ from vault to
vault.
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import msgspec

from recsys.evaluation.policy_lab.fairness_results import FairnessResult
from recsys.evaluation.policy_lab.leakage_results import LeakageResult
from recsys.evaluation.policy_lab.pages.fairness_page import fairness_report
from recsys.evaluation.policy_lab.pages.leakage_page import leakage_report
from recsys.evaluation.policy_lab.pages.replay_page import replay_report
from recsys.evaluation.policy_lab.pages.simulation_page import simulation_report
from recsys.evaluation.policy_lab.pages.views import Report
from recsys.evaluation.policy_lab.replay_results import ReplayResult
from recsys.evaluation.policy_lab.simulation_results import SimulationResult

ROOT: Final = Path(__file__).parents[1]
PAGE: Final = ROOT / "docs" / "policies.md"
POLICY: Final = ROOT / "examples" / "policies" / "grocery.toml"
AS_OF: Final = "2017-11-27"
GUESSED: Final = ("alcohol", "tobacco", "infants", "pork", "medicines", "feminine-hygiene")
_TABLE: Final = re.compile(r"(<!-- table: ([a-z-]+) -->\n).*?(<!-- end -->)", re.DOTALL)
NO_ROWS: Final = "\nNothing to list this time.\n"
_REPORTS: Final[dict[str, tuple[type[Any], Callable[[Any], Report]]]] = {
    "replay": (ReplayResult, replay_report),
    "fairness": (FairnessResult, fairness_report),
    "leakage": (LeakageResult, leakage_report),
    "simulation": (SimulationResult, simulation_report),
}


def main() -> None:
    """Measure, then write the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--demo", type=Path, default=ROOT / "build" / "demo", help="what `make demo` made")
    parser.add_argument(
        "--out", type=Path, default=ROOT / "build" / "policy-lab", help="where the pages go; what lay there goes"
    )
    options = parser.parse_args()
    measure(options.demo, options.out)
    PAGE.write_text(with_tables(PAGE.read_text(encoding="utf-8"), options.out), encoding="utf-8")


def measure(demo: Path, out: Path) -> None:
    """Run the commands."""
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    stricter, quiet = out / "three-days-of-alcohol.toml", out / "nothing-sensitive-learned.toml"
    stricter.write_text(three_days_of_alcohol(POLICY.read_text(encoding="utf-8")), encoding="utf-8")
    quiet.write_text(nothing_learned(POLICY.read_text(encoding="utf-8")), encoding="utf-8")
    known = ["--purchases", demo / "release" / "purchases.parquet", "--subjects", demo / "release" / "subjects.parquet"]
    known += ["--catalogue", demo / "raw" / "catalogue.parquet"]
    trust = ["--trust", demo / "signing.key.pub", "--as-of", AS_OF, "--offers", demo / "raw" / "offers.parquet"]
    shop = ["--bundle", demo / "models" / "grocery", *trust, *known]
    groups = ["--demographics", demo / "release" / "demographics.parquet"]
    fit = ["--models", out / "models", "--name", "unlearned", "--signing-key", demo / "signing.key"]
    run("training", "fit", *known, "--guards", quiet, *fit, "--until", AS_OF, "--level", "type")
    run("recsys", "policy", "replay", POLICY, "--against", stricter, *shop, "--out", out)
    run("recsys", "policy", "fairness", POLICY, *groups, *shop, "--out", out)
    unlearned = ["--unlearned-bundle", out / "models" / "unlearned"]
    guessed = [word for name in GUESSED for word in ("--group", name)]
    run("recsys", "policy", "leakage", POLICY, *groups, *guessed, *unlearned, *shop, "--out", out)
    run("recsys", "policy", "simulate", POLICY, "--weeks", 10, *shop, "--out", out)


def three_days_of_alcohol(policy: str) -> str:
    """The policy that wants three days with alcohol instead of two."""
    return re.sub(r'(groups = \["alcohol"\]\nmin_days = )2', r"\g<1>3", policy)


def nothing_learned(policy: str) -> str:
    """The policy with `learn = false` in every group."""
    plain = re.sub(r"^learn = .*\n", "", policy, flags=re.MULTILINE)
    return re.sub(r"^(\[groups\.[a-z-]+\]\n)", r"\1learn = false\n", plain, flags=re.MULTILINE)


def with_tables(page: str, results: Path) -> str:
    """The page with its tables made anew from the results; a report leaves out a table without rows."""
    tables = dict(_tables(results))
    return _TABLE.sub(lambda found: f"{found[1]}{tables.get(found[2], NO_ROWS)}\n{found[3]}", page)


def run(module: str, *arguments: object) -> None:
    """Run a command to its end; what it says is shown."""
    subprocess.run([sys.executable, "-m", module, *map(str, arguments)], check=True, cwd=ROOT)  # noqa: S603 - our own


def _tables(results: Path) -> Iterator[tuple[str, str]]:
    for name, (kind, report) in _REPORTS.items():
        read = msgspec.json.decode((results / f"{name}.json").read_bytes(), type=kind)
        for table in report(read).tables():
            yield table.name, f"\n{table.caption}:\n\n{table.as_markdown()}\n"


if __name__ == "__main__":
    main()
