"""`recsys-serve audit`: the log that can forget."""

from __future__ import annotations

import contextlib
import datetime as dt
from pathlib import Path
from typing import Annotated, Final

import typer

from recsys.console import new_app, parse_day, print_json, say, step, today
from recsys.console import now as this_instant
from recsys.contracts.audit import DECISIONS, Checkpoint
from recsys.contracts.document import decode_document, encode_document
from recsys.errors import RecsysError
from recsys.files import write_text
from serving.commands.options import Json, State
from serving.commands.parts import write_parts
from serving.stores import open_store

app: Final = new_app("""The audit log: verify it, checkpoint it, prune it by age, export its decisions.""")


@app.command()
def verify(
    state: State,
    anchor: Annotated[Path | None, typer.Option("--anchor", help="A checkpoint that was kept elsewhere.")] = None,
    json: Json = False,  # noqa: FBT002 - a flag of the command line
) -> None:
    """Recompute the chain: nothing was edited, deleted, put in another order or, up to the last checkpoint, cut off.

    Whoever can write to the database can write the whole chain anew. Only a checkpoint that was kept out of their reach
    (--anchor) tells.

    Example: `recsys-serve audit verify --state sqlite:///state.db --anchor checkpoint.json`
    """
    kept = None if anchor is None else decode_document(anchor.read_bytes(), Checkpoint, where=str(anchor))
    with contextlib.closing(open_store(state)) as store, step("Verifying"):
        report = store.audit.verify(kept)
    say(
        f"{report.records:,} records up to {report.head:,}, {report.erased:,} of them forgotten; "
        f"pruned up to {report.pruned:,}, checkpoint at {report.checkpoint:,}."
    )
    if json:
        print_json(report)
    if report.faults:
        raise RecsysError("; ".join(report.faults), where="the audit log", mend="Find out who had access, and restore")
    say("The chain holds.")


@app.command()
def checkpoint(
    state: State,
    out: Annotated[Path | None, typer.Option("--out", help="Also write it to a file, to keep elsewhere.")] = None,
    json: Json = False,  # noqa: FBT002 - a flag of the command line
) -> None:
    """Remember the head of the chain: what stands before it cannot be cut off unnoticed. Do it every day.

    Example: `recsys-serve audit checkpoint --state sqlite:///state.db --out checkpoint.json`
    """
    with contextlib.closing(open_store(state)) as store:
        made = store.audit.checkpoint(now=this_instant())
    if out is not None:
        write_text(out, encode_document(made).decode())
    say(f"Checkpoint at record {made.sequence:,}: {made.hash}")
    if json:
        print_json(made)


@app.command()
def prune(
    state: State,
    before: Annotated[str, typer.Option("--before", help="A day: what is older goes.")],
    json: Json = False,  # noqa: FBT002 - a flag of the command line
) -> None:
    """Delete events that arrived, and audit records up to the last checkpoint that was made, before a day.

    What the events did stays: histories, exposures, dismissals. But purchases that came as events and are in no loaded
    file yet are lost with the next load: keep events until a load has covered them.

    Example: `recsys-serve audit prune --state sqlite:///state.db --before 2025-01-01`
    """
    day = parse_day(before, option="--before", latest=today())
    instant = dt.datetime.combine(day, dt.time(0), dt.UTC)
    with contextlib.closing(open_store(state)) as store, step("Pruning"):
        records = store.audit.prune(before=instant, now=this_instant())
        events = store.prune_events(instant)
    say(f"Deleted {records:,} audit records and {events:,} events.")
    if json:
        print_json({"audit_records": records, "events": events})


@app.command()
def export(
    state: State,
    out: Annotated[Path, typer.Option("--out", help="Where they go: .parquet.")],
) -> None:
    """Write every decision that the log still holds, for `recsys-evaluate`. Tokens only; without what was withheld.

    Example: `recsys-serve audit export --state sqlite:///state.db --out decisions.parquet`
    """
    with contextlib.closing(open_store(state)) as store, step("Writing decisions"):
        rows = write_parts(DECISIONS, store.audit.decisions(), out)
    say(f"{out} holds {rows:,} decisions.")
