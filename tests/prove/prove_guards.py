"""Prove the guards: at least ten million verdicts on generated worlds, and every household of the real data.

    make prove

Every finished world is a line in the work folder's log, so that a stopped run continues where it was. A log belongs to
one state of the code: after a change of any module that takes part the count starts anew. The last step judges the real
data and writes docs/proof-guards.md.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Final

import msgspec
import typer
from support.agreement import decisions_differ, learning_differs, situation, verdicts_differ
from support.chain import POLICY, ROOT
from support.households import Files, Tally, judge_households
from support.oracle import RULES, Oracle
from support.worlds import seeded_world

from recsys.console import new_app, run, say, screen, step
from recsys.files import write_text

_DECIDING: Final = {"document.py", "placement.py"}  # of recsys/policy: the others read and check what is written
_BESIDE: Final = ("console.py", "errors.py", "files.py")  # what commands are made of

app = new_app("Hold the guards against an oracle in plain loops until the count is reached.")


class Line(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What one seed's world came to."""

    seed: int
    verdicts: int
    decisions: int
    differences: list[str]
    seconds: float


@dataclass
class Progress:
    """The log: read when it is there, then appended to."""

    path: Path
    lines: dict[int, Line] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.path.exists():
            whole = self.path.read_bytes().rpartition(b"\n")[0]  # a line that was cut off is done again
            self.path.write_bytes(whole + b"\n" if whole else b"")
            self.lines = {line.seed: line for line in msgspec.json.Decoder(Line).decode_lines(whole)}

    @property
    def verdicts(self) -> int:
        """All of them until now."""
        return sum(line.verdicts for line in self.lines.values())

    def add(self, line: Line) -> None:
        """Remember a world that is done."""
        self.lines[line.seed] = line
        with self.path.open("ab") as log:
            log.write(msgspec.json.encode(line) + b"\n")


@app.command()
def prove(
    work: Annotated[Path, typer.Option(help="Folder for the log and the real data.")] = Path("build/prove"),
    out: Annotated[Path, typer.Option(help="The page to write.")] = ROOT / "docs" / "proof-guards.md",
    verdicts: Annotated[int, typer.Option(min=1, help="How many to reach.")] = 10_000_000,
    households: Annotated[int | None, typer.Option(min=1, help="Judge only so many households.")] = None,
    data: Annotated[
        Path | None, typer.Option(help="A folder with raw/ and release/; made in --work if absent.")
    ] = None,
) -> None:
    """Judge generated worlds until enough verdicts are compared, then all households, and write the page.

    Example: PYTHONPATH=tests python tests/prove/prove_guards.py --work build/prove
    """
    work.mkdir(parents=True, exist_ok=True)
    code = fingerprint()
    progress = Progress(work / f"verdicts-{code[:12]}.jsonl")
    shown = progress.verdicts
    for line in _worlds(progress, verdicts):
        shown += line.verdicts
        if screen.is_terminal and line.seed % 20 == 0:
            screen.print(f"{shown:>12,} of {verdicts:,} verdicts", end="\r")
    say(f"{progress.verdicts:,} verdicts on {len(progress.lines):,} worlds")
    with step("Judging every household of the real data"):
        tallies = judge_households(Files(data or work / "households", work / "weeks", POLICY, households))
    write_text(out, page(progress, tallies, code))
    differences = sum(len(line.differences) for line in progress.lines.values()) + sum(
        len(tally.differences) + tally.violations for tally in tallies
    )
    say(f"{differences} differences; see {out}")
    if differences:
        raise typer.Exit(1)


def _worlds(progress: Progress, wanted: int) -> Iterator[Line]:
    seed, reached = 0, progress.verdicts
    while reached < wanted:
        if seed not in progress.lines:
            line = _judge(seed)
            progress.add(line)
            reached += line.verdicts
            yield line
        seed += 1


def _judge(seed: int) -> Line:
    start = time.perf_counter()
    world = seeded_world(seed)
    now, oracle = situation(world), Oracle(world)
    differences = [
        wrong for differ in (verdicts_differ, decisions_differ, learning_differs) for wrong in differ(now, oracle)
    ]
    people, offers = now.shape
    return Line(seed, people * offers * len(RULES), people, differences, round(time.perf_counter() - start, 4))


def fingerprint() -> str:
    """SHA-256 over the modules that judge and those that are judged, of what this process has loaded of ours."""
    digest = hashlib.sha256()
    for path in sorted(_ours()):
        digest.update(path.relative_to(ROOT).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def _ours() -> set[Path]:
    files = {Path(module.__file__).resolve() for module in sys.modules.values() if getattr(module, "__file__", None)}
    ours = {path for path in files if path.is_relative_to(ROOT / "recsys") or path.is_relative_to(ROOT / "tests")}
    return {path for path in ours if not path.is_relative_to(ROOT / "recsys/policy") or path.name in _DECIDING} - {
        ROOT / "recsys" / name for name in _BESIDE
    }


def commit() -> str:
    """The commit, and whether the files are it."""
    head, changes = (
        subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, check=False).stdout.strip()  # noqa: S603, S607 - git, from the path
        for words in (("rev-parse", "HEAD"), ("status", "--porcelain", "--", *map(str, sorted(_ours()))))
    )
    return f"{head or 'none'}{' and uncommitted changes' if changes else ''}"


def page(progress: Progress, tallies: list[Tally], code: str) -> str:
    """docs/proof-guards.md."""
    lines = sorted(progress.lines.values(), key=lambda line: line.seed)
    differences = [f"world {line.seed}: {text}" for line in lines for text in line.differences]
    rows = [
        ("commit", f"`{commit()}`"),
        ("SHA-256 of the modules that took part", f"`{code}`"),
        ("worlds (seeds)", f"{len(lines):,} ({lines[0].seed} to {lines[-1].seed})" if lines else "0"),
        ("verdicts compared", f"{progress.verdicts:,}"),
        ("whole decisions compared", f"{sum(line.decisions for line in lines):,}"),
        ("differences", f"{len(differences):,}"),
        ("seconds, one core", f"{sum(line.seconds for line in lines):,.0f}"),
    ]
    return PAGE.format(
        runs=_table(("", ""), rows),
        differences=_listed(differences),
        households="\n\n".join(_household_section(tally) for tally in tallies),
    )


def _household_section(tally: Tally) -> str:
    rules = _table(("guard", "named first", "withheld in all", "households met"), tally.rules())
    parts = (f"### {tally.label}", _table(("", ""), tally.figures()), rules, _listed(tally.differences))
    return "\n\n".join(parts)


def _table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join(f"| {' | '.join(row)} |" for row in lines)


def _listed(texts: list[str]) -> str:
    kinds = Counter(texts)
    return "\n".join(f"- {text}" for text in list(kinds)[:20]) if kinds else "None."


PAGE = """\
# Proof of the guards

Written by `make prove` (`tests/prove/prove_guards.py`); not edited by hand. The guards that ship are held against an
oracle in plain loops (`tests/support/oracle.py`, `oracle_lists.py`) that was written from their meaning and shares no
code with them.

A verdict is one guard's answer for one person and one offer. A whole decision is the list with its scores, its fill,
its arm and its counts of what was withheld.

## Generated worlds

Policies, catalogues, receipts with returns, states and offers from a seed (`tests/support/worlds.py`): purchases and
exposures on, just before and just after every edge, in the future, in several time zones, around leap days and changes
of the clock; scores that are tied, equal, huge or no number.

{runs}

{differences}

## Every household of Complete Journey

All offers of the four test weeks (coupons and mailer) for each household under `examples/policies/grocery.toml`, by
e-mail, with the consents, interests and ages of the example data; scores are drawn at random, since no guard sees one.
On the Monday of each week with all that was bought before it and nothing shown to anyone yet; and on the last one once
more with an invented past of exposures, answers and dismissals, a holdout, people who are no longer known to be of age,
and offers that are out of stock or for another channel or placement. Counts are pairs of household and offer.

{households}
"""

if __name__ == "__main__":
    run(lambda: app, Path(sys.argv[0]).name)
