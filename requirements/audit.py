"""Known vulnerabilities of what is pinned, and bills of materials: `python requirements/audit.py --out build/audit`.

Every pinned dependency is looked up in the OSV database by pip-audit; a CycloneDX file a stage says what it is made of.
Where the database cannot be reached, or one dependency was not looked up, the word is NOT AUDITED and never passed:
status 2, or 0 with --offline-ok, for checks that have to run without a network. Status 1: something is known.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

HERE: Final = Path(__file__).parent
EVERYTHING: Final = HERE / "dev.txt"  # all stages, and what tests and builds them
STAGES: Final = tuple(sorted(path.stem for path in HERE.glob("*.txt") if path != EVERYTHING))
_BIN: Final = Path(sys.executable).parent
_PINNED: Final = re.compile(r"^([A-Za-z0-9._-]+)==", re.MULTILINE)


class Verdict(StrEnum):
    """What is known of the dependencies."""

    CLEAN = "AUDITED: nothing is known against them"
    VULNERABLE = "VULNERABLE"
    NOT_AUDITED = "NOT AUDITED"


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the bills, look everything up, and say what is known; the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="The folder for the bills of materials.")
    parser.add_argument("--requirements", type=Path, default=EVERYTHING, help="What to look up.")
    parser.add_argument("--offline-ok", action="store_true", help="Status 0 where the database cannot be reached.")
    options = parser.parse_args(arguments)
    options.out.mkdir(parents=True, exist_ok=True)
    for stage in STAGES:
        write_bill(HERE / f"{stage}.txt", options.out / f"{stage}.cdx.json")
    wanted = pinned(options.requirements)
    verdict, why = judge(looked_up(options.requirements), wanted)
    sys.stdout.write(f"{len(STAGES)} bills of materials in {options.out}\n{len(wanted)} dependencies {verdict}{why}\n")
    if verdict is Verdict.NOT_AUDITED:
        return 0 if options.offline_ok else 2
    return 1 if verdict is Verdict.VULNERABLE else 0


def pinned(requirements: Path) -> frozenset[str]:
    """The names in a file of requirements, in the form in which they are compared."""
    return frozenset(map(_plain, _PINNED.findall(requirements.read_text(encoding="utf-8"))))


def looked_up(requirements: Path) -> Mapping[str, Any] | None:
    """pip-audit's report; None where it could make none. It reads the pins and installs nothing."""
    done = subprocess.run(  # noqa: S603 - a program of the development environment
        [
            *(str(_BIN / "pip-audit"), "--requirement", str(requirements), "--require-hashes", "--disable-pip"),
            *("--vulnerability-service", "osv", "--timeout", "10", "--progress-spinner", "off", "--format", "json"),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    try:
        report: Mapping[str, Any] = json.loads(done.stdout)
    except json.JSONDecodeError:
        return None
    return report


def judge(report: Mapping[str, Any] | None, wanted: frozenset[str]) -> tuple[Verdict, str]:
    """What a report is worth: pip-audit also ends with status 0 where it skipped everything.

    Args:
        report: From `looked_up`.
        wanted: All that had to be looked up.
    """
    if report is None:
        return Verdict.NOT_AUDITED, ": the database could not be reached, so that nothing is known about them"
    found = report["dependencies"]
    known = [f"{one['name']} {one['version']}: {flaw['id']}" for one in found for flaw in one.get("vulns", ())]
    if known:
        return Verdict.VULNERABLE, "\n" + "\n".join(known)
    missing = wanted - {_plain(one["name"]) for one in found if "skip_reason" not in one}
    if missing:
        return Verdict.NOT_AUDITED, f": {len(missing)} were not looked up, such as {min(missing)}"
    return Verdict.CLEAN, ""


def write_bill(requirements: Path, bill: Path) -> None:
    """A CycloneDX file, the same for the same pins; no network is needed."""
    subprocess.run(  # noqa: S603 - a program of the development environment
        [
            *(str(_BIN / "cyclonedx-py"), "requirements", str(requirements), "--output-reproducible", "--no-validate"),
            *("--spec-version", "1.6", "--output-format", "JSON", "--output-file", str(bill)),
        ],
        check=True,
        capture_output=True,
    )


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


if __name__ == "__main__":
    sys.exit(main())
