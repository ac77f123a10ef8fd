"""`recsys-evaluate policy fairness`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from recsys.console import parse_day, today
from recsys.evaluation import options
from recsys.evaluation.batch import Question
from recsys.evaluation.bundle_runs import check_unseen
from recsys.evaluation.inputs import People, Shop
from recsys.evaluation.policy_lab.fairness import measure_fairness, people_of
from recsys.evaluation.policy_lab.groups import read_demographics
from recsys.evaluation.policy_lab.lab import Lab
from recsys.evaluation.policy_lab.lab_options import (
    Demographics,
    Horizon,
    LabPolicy,
    LabSeed,
    read_policy,
)
from recsys.evaluation.policy_lab.pages.fairness_page import fairness_report
from recsys.evaluation.policy_lab.pages.page import publish


def fairness(  # noqa: PLR0913, PLR0917 - a command's options are its arguments
    policy: LabPolicy,
    demographics: Demographics,
    bundle: options.Bundle,
    trust: options.Trust,
    purchases: options.Purchases,
    subjects: options.Subjects,
    catalogue: options.Catalogue,
    offers: options.Offers,
    as_of: options.AsOf,
    out: Annotated[Path, typer.Option("--out", help="Folder for fairness.json and fairness.html.")],
    horizon: Horizon = 28,
    state: options.StateFile = None,
    channel: options.Channel = "email",
    placement: options.Placement = None,
    k: options.Count = 10,
    seed: LabSeed = 0,
    json: options.Json = False,  # noqa: FBT002 - a flag of the command line
) -> None:
    """Measure quality, coverage and what is withheld for each demographic group; and what segments would gain.

    Demographics are looked up after the lists are made: nothing that ranks can read them.

    Example: `recsys-evaluate policy fairness grocery.toml --demographics release/demographics.parquet --bundle
    models/grocery --trust S.pub --purchases release --subjects release/subjects.parquet --catalogue catalogue.parquet
    --offers offers.parquet --as-of 2017-11-27 --out fairness`
    """
    question = Question(channel, k, placement, parse_day(as_of, option="--as-of"))
    shop = Shop(bundle, trust, policy, catalogue, offers).open()
    check_unseen(shop.scorer.bundle, question.day)
    read = read_policy(shop, policy)
    population = People(purchases, subjects, state).read(today=today())
    known = read_demographics(demographics, population.lineage)
    everyone = Lab.of(shop, population, question)
    lab = Lab.of(shop, population, question, people_of(everyone, known))
    result = measure_fairness(lab, read, known, horizon=horizon, seed=seed)
    publish(out, "fairness", result, fairness_report(result), json=json)
