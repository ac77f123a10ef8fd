"""`recsys-evaluate uplift`: what the offers brought, or the other bundle, from the logs that serving exports."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from recsys.amounts import amount
from recsys.console import say, step, warn
from recsys.contracts.audit import DECISIONS
from recsys.contracts.event import EVENTS
from recsys.contracts.token import column_lineage
from recsys.errors import TokenError, UsageError
from recsys.evaluation.assignments import assignments
from recsys.evaluation.options import Json, Seed
from recsys.evaluation.policy_lab.pages.page import publish
from recsys.evaluation.uplift import UpliftResult, measure_uplift
from recsys.evaluation.uplift_page import uplift_report


def uplift(  # noqa: PLR0913, PLR0917 - a command's options are its arguments
    decisions: Annotated[Path, typer.Option("--decisions", help="From `recsys-serve audit export`.")],
    events: Annotated[Path, typer.Option("--events", help="From `recsys-serve export events`.")],
    out: Annotated[Path, typer.Option("--out", help="Folder for uplift.json and uplift.html.")],
    days: Annotated[
        int | None, typer.Option("--days", min=1, max=3650, help="How long after the first decision events count.")
    ] = None,
    trial: Annotated[str | None, typer.Option("--trial", help="Which trial; else the one that began last.")] = None,
    whole_log: Annotated[  # noqa: FBT002 - a flag of the command line
        bool, typer.Option("--whole-log", help="Measure the holdout over the whole log, whichever bundle decided.")
    ] = False,
    seed: Seed = 0,
    json: Json = False,  # noqa: FBT002 - a flag of the command line
) -> None:
    """Hold the arms against each other: buyers, purchases, redemptions and spend.

    A person counts for the arm of their first decision, with all that they did from then on. Where the log holds a
    trial of another bundle, only decisions made in that trial are looked at.

    Example: `recsys-evaluate uplift --decisions decisions.parquet --events events.parquet --out uplift`
    """
    if trial is not None and whole_log:
        raise UsageError("exclude each other", where="--trial and --whole-log", mend="Give one of them")
    with step("Reading the logs"):
        made, happened = DECISIONS.read(decisions), EVENTS.read(events)
    lineage = column_lineage(made["subject"], where=str(decisions))
    if column_lineage(happened["subject"], where=str(events)) != lineage:
        raise TokenError(
            f"holds tokens of another domain or epoch than {lineage}", where=str(events), mend="Export both again"
        )
    assigned = assignments(made, trial=trial, whole=whole_log)
    with step("Measuring"):
        result = measure_uplift(assigned, happened, days=days, seed=seed)
    _warn(result)
    if assigned.others:
        say(f"Trial {assigned.trial}; also in the log: {', '.join(assigned.others)} (--trial).")
    publish(out, "uplift", result, uplift_report(result), json=json)


def _warn(result: UpliftResult) -> None:
    if result.ratio.suspicious:
        warn("The arms do not have the sizes that the policy gave them: people got lost in one. Trust none of this.")
    if result.ratio.p is None:
        warn("The log does not say which shares the policy gave the arms: their sizes could not be checked.")
    if result.switched:
        some = amount(result.switched, "person was", "people were")
        warn(f"{some} seen in more than one arm; each counts for the first.")
