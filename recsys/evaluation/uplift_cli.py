"""`recsys-evaluate uplift`: what the offers brought, from the logs that serving exports."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.box import SIMPLE_HEAD
from rich.table import Table

from recsys.console import print_json, say, screen, step, warn
from recsys.contracts.audit import DECISIONS
from recsys.contracts.document import encode_document
from recsys.contracts.event import EVENTS
from recsys.contracts.token import column_lineage
from recsys.errors import TokenError
from recsys.evaluation.intervals import Estimate
from recsys.evaluation.options import Json, Seed
from recsys.evaluation.report.words import PERCENT
from recsys.evaluation.uplift import SampleRatio, UpliftResult, measure_uplift
from recsys.files import write_text


def uplift(
    decisions: Annotated[Path, typer.Option("--decisions", help="From `recsys-serve audit export`.")],
    events: Annotated[Path, typer.Option("--events", help="From `recsys-serve export events`.")],
    out: Annotated[Path, typer.Option("--out", help="Folder for uplift.json.")],
    days: Annotated[
        int | None, typer.Option("--days", min=1, max=3650, help="How long after the first decision events count.")
    ] = None,
    seed: Seed = 0,
    json: Json = False,  # noqa: FBT002 - a flag of the command line
) -> None:
    """Hold the personal, popular and empty arms against each other: buyers, purchases, redemptions and spend.

    A person counts for the arm of their first decision in the log, with all that they did from then on.

    Example: `recsys-evaluate uplift --decisions decisions.parquet --events events.parquet --out uplift`
    """
    with step("Reading the logs"):
        made, happened = DECISIONS.read(decisions), EVENTS.read(events)
    lineage = column_lineage(made["subject"], where=str(decisions))
    if column_lineage(happened["subject"], where=str(events)) != lineage:
        raise TokenError(
            f"holds tokens of another domain or epoch than {lineage}", where=str(events), mend="Export both again"
        )
    with step("Measuring"):
        result = measure_uplift(made, happened, days=days, seed=seed)
    write_text(out / "uplift.json", encode_document(result).decode())
    _warn(result)
    screen.print(_table(result))
    say(f"{out / 'uplift.json'} holds all figures.")
    if json:
        print_json(result)


def _warn(result: UpliftResult) -> None:
    ratio: SampleRatio = result.ratio
    if ratio.suspicious:
        warn("The arms do not have the sizes that the policy gave them: people got lost in one. Trust none of this.")
    if ratio.p is None:
        warn("The log does not say which shares the policy gave the arms: their sizes could not be checked.")
    if result.switched:
        warn(f"{result.switched:,} people were seen in more than one arm; each counts for the first.")


def _table(result: UpliftResult) -> Table:
    title = f"{result.subjects:,} subjects · difference of means a subject [95 % interval]"
    table = Table(box=SIMPLE_HEAD, title=title, title_justify="left", title_style="italic")
    for column in ("arm", "against", "metric", "difference", "relative"):
        table.add_column(column, no_wrap=True)
    for row in result.uplifts:
        relative = "" if row.relative is None else f"{100 * row.relative:+.1f}{PERCENT}"
        table.add_row(row.arm, row.against, row.metric, _shown(row.estimate), relative)
    return table


def _shown(estimate: Estimate) -> str:
    return f"{estimate.mean:+.4f} [{estimate.low:+.4f}, {estimate.high:+.4f}]"
