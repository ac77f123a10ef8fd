"""A verdict for a terminal."""

from __future__ import annotations

from rich.box import SIMPLE_HEAD
from rich.table import Table as Grid

from pseudonymize.gate.trials import Trial
from pseudonymize.gate.verdict import Verdict, spoken


def verdict_grids(verdict: Verdict) -> list[Grid]:
    """Its figures, and what would pass."""
    grid = Grid("measure", "figure", "", title=f"Release gate: {verdict.release}", box=SIMPLE_HEAD)
    for figure in verdict.figures:
        held = "" if figure.limit is None and figure.least is None else ("passes" if figure.passes else "refused")
        grid.add_row(figure.measure, spoken(figure), held)
    trials = [("What one step does by itself", verdict.steps), ("What would pass", verdict.proposals)]
    return [grid, *(_trials(title, rows) for title, rows in trials if rows)]


def _trials(title: str, trials: tuple[Trial, ...]) -> Grid:
    grid = Grid("purchases say", title=title, box=SIMPLE_HEAD)
    for heading in ("subjects", "points", "bits a subject", "unicity", "linkage"):
        grid.add_column(heading, justify="right")
    for trial in trials:
        shares = (f"{estimate.share:.1%}" for estimate in (trial.unique, trial.linked))
        grid.add_row(str(trial.setting), f"{trial.subjects:,}", f"{trial.points:,}", f"{trial.bits:,.1f}", *shares)
    return grid
