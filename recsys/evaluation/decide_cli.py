"""`recsys-evaluate decide`: the whole population in batch."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.table import Table

from recsys.amounts import amount
from recsys.console import parse_day, print_json, say, screen, step, today, warn
from recsys.contracts.decision import Decision
from recsys.evaluation import options
from recsys.evaluation.batch import Question, Totals, decide_everyone
from recsys.evaluation.inputs import People, Shop, check_days
from recsys.files import replacing


def decide(  # noqa: PLR0913, PLR0917 - a command's options are its arguments
    bundle: options.Bundle,
    trust: options.Trust,
    guards: options.Guards,
    purchases: options.Purchases,
    subjects: options.Subjects,
    catalogue: options.Catalogue,
    offers: options.Offers,
    as_of: options.AsOf,
    out: Annotated[Path, typer.Option("--out", help="The decisions, one line of JSON each.")],
    k: options.Count = 10,
    challenger: options.Challenger = None,
    state: options.StateFile = None,
    statistics: options.Statistics = None,
    channel: options.Channel = "email",
    placement: options.Placement = None,
    seed: options.Seed = 0,
    explain: options.Explain = False,  # noqa: FBT002 - a flag of the command line
    json: options.Json = False,  # noqa: FBT002 - a flag of the command line
) -> None:
    """Decide for everyone in the purchases and subjects files, by the same path as the service.

    Example: `recsys-evaluate decide --bundle models/grocery --trust S.pub --guards grocery.toml --purchases release
    --subjects release/subjects.parquet --catalogue catalogue.parquet --offers offers.parquet --as-of 2017-11-27 --k 10
    --out decisions.jsonl`
    """
    question = Question(channel, k, placement, parse_day(as_of, option="--as-of"))
    recommender = Shop(bundle, trust, guards, catalogue, offers).deciding(challenger, statistics, latest=question.day)
    check_days(recommender, question.day)
    population = People(purchases, subjects, state).read(today=today())
    totals = Totals()
    with step("Deciding"):
        made = totals.counting(decide_everyone(recommender, population, question, seed=seed))
        write_decisions(made, out, explain=explain)
    if not any(member.may_use(channel) for member in population.states.values()):
        warn(f"Nobody agreed to channel {channel!r}: every list is empty.")
    screen.print(_table(totals))
    say(f"{out} holds {amount(totals.subjects, 'decision')} with {amount(totals.offers, 'offer')}.")
    if json:
        print_json(totals)


def write_decisions(decisions: Iterable[Decision], path: Path, *, explain: bool) -> None:
    """Write one line of JSON a decision, whole or not at all; `withheld` only where it is asked for."""
    encoder = msgspec.json.Encoder(order="deterministic")
    with replacing(path) as beside, beside.open("wb") as file:
        for decision in decisions:
            shown = decision if explain else msgspec.structs.replace(decision, withheld=None)
            file.write(encoder.encode(shown) + b"\n")


def _table(totals: Totals) -> Table:
    table = Table(title="Offers withheld, by the first rule that did", title_justify="left")
    table.add_column("rule")
    table.add_column("offers", justify="right")
    table.add_column("a decision", justify="right")
    for rule, count in totals.withheld.items():
        table.add_row(rule, f"{count:,}", f"{count / totals.subjects:.1f}")
    return table
