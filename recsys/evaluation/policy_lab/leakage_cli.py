"""`recsys-evaluate policy leakage`."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Annotated

import typer

from recsys.console import parse_day, today
from recsys.errors import UsageError
from recsys.evaluation import options
from recsys.evaluation.batch import Question
from recsys.evaluation.bundle_runs import check_unseen
from recsys.evaluation.inputs import People, Shop
from recsys.evaluation.policy_lab.fairness import people_of
from recsys.evaluation.policy_lab.groups import read_demographics
from recsys.evaluation.policy_lab.lab import Lab
from recsys.evaluation.policy_lab.lab_options import (
    Demographics,
    Horizon,
    LabPolicy,
    LabSeed,
    read_policy,
)
from recsys.evaluation.policy_lab.leakage import Attack, measure_leakage
from recsys.evaluation.policy_lab.pages.leakage_page import leakage_report
from recsys.evaluation.policy_lab.pages.page import publish
from recsys.policy import Policy


def leakage(  # noqa: PLR0913, PLR0917 - a command's options are its arguments
    policy: LabPolicy,
    demographics: Demographics,
    bundle: options.Bundle,
    trust: options.Trust,
    purchases: options.Purchases,
    subjects: options.Subjects,
    catalogue: options.Catalogue,
    offers: options.Offers,
    as_of: options.AsOf,
    out: Annotated[Path, typer.Option("--out", help="Folder for leakage.json and leakage.html.")],
    unlearned_bundle: Annotated[
        Path | None,
        typer.Option("--unlearned-bundle", help="A bundle fitted under a policy with learn = false for every group."),
    ] = None,
    group: Annotated[
        list[str] | None,
        typer.Option("--group", help="Guess as well whether a group of the policy was bought. Default: all of Art. 9."),
    ] = None,
    horizon: Horizon = 28,
    state: options.StateFile = None,
    channel: options.Channel = "email",
    placement: options.Placement = None,
    k: options.Count = 10,
    seed: LabSeed = 0,
    json: options.Json = False,  # noqa: FBT002 - a flag of the command line
) -> None:
    """Guess children, age, income, or what was bought, from a list of offers; and again where less is learned from.

    Example: `recsys-evaluate policy leakage grocery.toml --demographics release/demographics.parquet --bundle
    models/grocery --trust S.pub --purchases release --subjects release/subjects.parquet --catalogue catalogue.parquet
    --offers offers.parquet --as-of 2017-11-27 --out leakage`
    """
    question = Question(channel, k, placement, parse_day(as_of, option="--as-of"))
    shop = Shop(bundle, trust, policy, catalogue, offers).open()
    refitted = None if unlearned_bundle is None else Shop(unlearned_bundle, trust, policy, catalogue, offers).open()
    for opened in (shop, refitted):
        if opened is not None:
            check_unseen(opened.scorer.bundle, question.day)
    read = read_policy(shop, policy)
    population = People(purchases, subjects, state).read(today=today())
    known = read_demographics(demographics, population.lineage)
    everyone = Lab.of(shop, population, question)
    lab = Lab.of(shop, population, question, people_of(everyone, known))
    attack = Attack(_groups(read, group), refitted, horizon, seed)
    result = measure_leakage(lab, read, known, attack)
    publish(out, "leakage", result, leakage_report(result), json=json)


def _groups(policy: Policy, named: list[str] | None) -> list[str]:
    """The groups whose purchases are guessed. Purchases of `never` groups are dropped at every door: none to guess."""
    if named is None:
        return [name for name, group in policy.groups.items() if group.article9 and name not in policy.never]
    for name in named:
        if name not in policy.groups:
            near = difflib.get_close_matches(name, policy.groups, n=1)
            mend = f"Did you mean {near[0]!r}?" if near else f"The policy has: {', '.join(policy.groups)}"
            raise UsageError("is not a group of the policy", where="--group", mend=mend)
    return named
