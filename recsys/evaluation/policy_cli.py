"""`recsys-evaluate policy`: is a policy what it is meant to be, and what does it do to one person and one offer."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Final

import msgspec
import typer
from rich.markup import escape
from rich.table import Table

from recsys.amounts import amount
from recsys.console import new_app, parse_day, print_json, say, screen, today, warn
from recsys.contracts.catalogue import CATALOGUE
from recsys.evaluation import options
from recsys.evaluation.batch import Question
from recsys.evaluation.inputs import People, Shop, check_days
from recsys.evaluation.policy_lab.fairness_cli import fairness
from recsys.evaluation.policy_lab.leakage_cli import leakage
from recsys.evaluation.policy_lab.replay_cli import replay
from recsys.evaluation.policy_lab.simulation_cli import simulate
from recsys.evaluation.population import subject_from
from recsys.policy import Placement as Placed
from recsys.policy import Policy, load_policy, place
from recsys.why_not import SENTENCES, WhyNot

app: Final = new_app("Check a policy, ask it why an offer does not go out, and measure what it does.")
app.command()(replay)
app.command()(fairness)
app.command()(leakage)
app.command()(simulate)

_PolicyFile = Annotated[Path, typer.Argument(help="The policy.")]


class Checked(msgspec.Struct, frozen=True, kw_only=True):
    """What `policy check` found."""

    policy_version: str
    items: dict[str, int]
    warnings: tuple[str, ...]


@app.command()
def check(policy: _PolicyFile, catalogue: options.Catalogue, json: options.Json = False) -> None:  # noqa: FBT002 - a flag of the command line
    """Read a policy strictly, and say what of it matches nothing in the catalogue or can never matter.

    An error (an unknown key or group, a value out of range, a contradiction) ends with status 1; a warning does not.

    Example: `recsys-evaluate policy check grocery.toml --catalogue catalogue.parquet`
    """
    read = load_policy(policy)
    placed = place(read, CATALOGUE.read(catalogue))
    for warning in placed.warnings:
        warn(f"{warning}.")
    screen.print(_groups(read, placed))
    found = len(placed.warnings)
    say(f"{read.policy_version} can be used; {amount(found, 'warning')}.")
    if json:
        items = {name: len(members) for name, members in placed.members.items()}
        print_json(Checked(policy_version=read.policy_version, items=items, warnings=placed.warnings))


@app.command()
def explain(  # noqa: PLR0913, PLR0917 - a command's options are its arguments
    policy: _PolicyFile,
    bundle: options.Bundle,
    trust: options.Trust,
    purchases: options.Purchases,
    subjects: options.Subjects,
    catalogue: options.Catalogue,
    offers: options.Offers,
    as_of: options.AsOf,
    offer: Annotated[str, typer.Option("--offer", help="The offer_id to ask about.")],
    challenger: options.Challenger = None,
    state: options.StateFile = None,
    statistics: options.Statistics = None,
    channel: options.Channel = "email",
    placement: options.Placement = None,
    k: options.Count = 10,
    json: options.Json = False,  # noqa: FBT002 - a flag of the command line
) -> None:
    """Say which rules withhold an offer from one person, or where it stands in the list.

    The person's token is read from standard input.

    Example: `recsys-evaluate policy explain grocery.toml --bundle models/grocery --trust S.pub --purchases release
    --subjects release/subjects.parquet --catalogue catalogue.parquet --offers offers.parquet --as-of 2017-11-27
    --offer 8-wine < token`
    """
    question = Question(channel, k, placement, parse_day(as_of, option="--as-of"))
    recommender = Shop(bundle, trust, policy, catalogue, offers).deciding(challenger, statistics, latest=question.day)
    check_days(recommender, question.day)
    population = People(purchases, subjects, state).read(today=today())
    subject = subject_from(sys.stdin.readline(), population.lineage)
    if subject not in population.subjects:
        warn("Nobody in the files has this token.")
    history = population.histories(recommender.book.index, until=question.day, subjects=(subject,))
    answer = recommender.why_not(question.request(subject), history, population.state(subject), offer, at=question.at)
    for line in _told(answer):
        say(line)
    if json:
        print_json(answer)


def _told(answer: WhyNot) -> list[str]:
    if answer.rank is not None:
        return [f"Goes out, at place {answer.rank} of the list."]
    return ["Does not go out.", *(f"  {rule}: {SENTENCES[rule]}." for rule in answer.withheld_by)]


def _groups(policy: Policy, placed: Placed) -> Table:
    table = Table(title="What the policy covers in this catalogue", title_justify="left")
    for column in ("group", "items", "rules"):
        table.add_column(column, justify="right" if column == "items" else "left")
    for name, members in placed.members.items():
        rules = [*_rules_about(policy, name), *(() if policy.groups[name].name else ("not named",))]
        table.add_row(escape(name), f"{len(members):,}", ", ".join(rules))
    return table


def _rules_about(policy: Policy, group: str) -> list[str]:
    lists = [name for name in ("never", "adults_only") if group in getattr(policy, name)]
    kinds = ("only_if_purchased", "past_purchase_trap", "cool_down")
    rules = [name for name in kinds if any(group in rule.groups for rule in getattr(policy, name))]
    return [*lists, *rules, *([] if policy.groups[group].learn else ["not learned from"])]
