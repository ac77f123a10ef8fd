"""`recsys-evaluate policy simulate`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final

import numpy as np
import typer

from recsys.console import parse_day, today
from recsys.contracts.evaluation_sets import REDEMPTIONS
from recsys.errors import ContractError, UsageError
from recsys.evaluation import options
from recsys.evaluation.batch import Question
from recsys.evaluation.inputs import OpenShop, People, Shop
from recsys.evaluation.policy_lab.lab import Lab
from recsys.evaluation.policy_lab.lab_options import Horizon, LabPolicy, LabSeed, read_policy
from recsys.evaluation.policy_lab.pages.page import publish
from recsys.evaluation.policy_lab.pages.simulation_page import simulation_report
from recsys.evaluation.policy_lab.shoppers import draw_shoppers, read_rates
from recsys.evaluation.policy_lab.simulation import Plan, standing
from recsys.evaluation.policy_lab.simulation_report import run_simulation
from recsys.evaluation.population import Population
from recsys.policy.document import Fatigue

_MEND: Final = "Name the redemptions of the release: rates are drawn from them"
_Weeks = Annotated[int, typer.Option("--weeks", min=1, max=104, help="How long.")]
_Sends = Annotated[int, typer.Option("--sends", min=1, max=21, help="Lists a week.")]
_Shoppers = Annotated[
    int, typer.Option("--shoppers", min=1, help="How many, drawn from those who agreed to the channel.")
]
_Wear = Annotated[
    float, typer.Option("--wear", min=0.0, max=1.0, help="What each ignored showing in a row leaves of the chance.")
]
_Redemptions = Annotated[
    Path | None,
    typer.Option(
        "--redemptions",
        help="What was really redeemed: an evaluation set, for rates only. Default: redemptions.parquet beside "
        "--purchases.",
    ),
]


def simulate(  # noqa: PLR0913, PLR0917 - a command's options are its arguments
    policy: LabPolicy,
    bundle: options.Bundle,
    trust: options.Trust,
    purchases: options.Purchases,
    subjects: options.Subjects,
    catalogue: options.Catalogue,
    offers: options.Offers,
    as_of: options.AsOf,
    out: Annotated[Path, typer.Option("--out", help="Folder for simulation.json and simulation.html.")],
    weeks: _Weeks = 10,
    sends: _Sends = 5,
    shoppers: _Shoppers = 200,
    wear: _Wear = 0.8,
    redemptions: _Redemptions = None,
    horizon: Horizon = 28,
    state: options.StateFile = None,
    channel: options.Channel = "email",
    placement: options.Placement = None,
    k: options.Count = 10,
    seed: LabSeed = 0,
    json: options.Json = False,  # noqa: FBT002 - a flag of the command line
) -> None:
    """Send lists for some weeks, with and without fatigue and caps, to shoppers who redeem as often as they really did.

    The page states what is assumed. The same files and seed give the same figures.

    Example: `recsys-evaluate policy simulate grocery.toml --weeks 10 --bundle models/grocery --trust S.pub --purchases
    release --subjects release/subjects.parquet --catalogue catalogue.parquet --offers offers.parquet --as-of 2017-11-27
    --out simulation`
    """
    question = Question(channel, k, placement, parse_day(as_of, option="--as-of"))
    shop = Shop(bundle, trust, policy, catalogue, offers).open()
    read = read_policy(shop, policy)
    population = People(purchases, subjects, state).read(today=today())
    rates = read_rates(redemptions or _beside(purchases), population.lineage, until=question.day)
    chosen = draw_shoppers(_reachable(population, channel), shoppers, np.random.default_rng(seed))
    lab = Lab.of(OpenShop(shop.scorer, standing(shop.offers), shop.catalogue), population, question, chosen)
    repeated_after = (read.fatigue or Fatigue()).after
    plan = Plan(weeks=weeks, sends=sends, wear=wear, repeated_after=repeated_after, seed=seed)
    result = run_simulation(lab, read, rates.of(chosen), plan, horizon=horizon)
    publish(out, "simulation", result, simulation_report(result), json=json)


def _beside(purchases: Path) -> Path:
    """The redemptions of the release that the purchases came with."""
    folder = purchases if purchases.is_dir() else purchases.parent
    path = folder / f"{REDEMPTIONS.name}.parquet"
    if not path.is_file():
        raise UsageError("is not given, and there is none beside the purchases", where="--redemptions", mend=_MEND)
    return path


def _reachable(population: Population, channel: str) -> list[str]:
    found = [subject for subject in population.subjects if population.state(subject).may_use(channel)]
    if not found:
        raise ContractError(f"nobody agreed to channel {channel!r}", where="subjects", mend="Name another channel")
    return found
