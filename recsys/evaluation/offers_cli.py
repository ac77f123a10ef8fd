"""`recsys-evaluate offers`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from recsys.amounts import amount
from recsys.bundle import load_bundle
from recsys.console import print_json, say, screen, step, today, warn
from recsys.contracts.document import encode_document
from recsys.contracts.evaluation_sets import REDEMPTIONS
from recsys.contracts.offers import OFFERS
from recsys.evaluation import options
from recsys.evaluation.bundle_runs import check_domain
from recsys.evaluation.fresh import counted_purchases
from recsys.evaluation.offers import POOLED, OffersResult, campaigns_of, judge_offers
from recsys.evaluation.report.words import change_and_interval, mean_and_interval
from recsys.evaluation.sold import Sold
from recsys.evaluation.source import check_lineage, read_source
from recsys.files import replacing
from recsys.scorer import Scorer


def offers(  # noqa: PLR0913, PLR0917 - a command's options are its arguments
    bundle: options.Bundle,
    trust: options.Trust,
    purchases: options.Purchases,
    offers: options.Offers,
    redemptions: Annotated[
        Path, typer.Option("--redemptions", help="Who redeemed which offer: subject, offer_id, day.")
    ],
    out: Annotated[Path, typer.Option("--out", help="Folder for offers.json.")],
    subjects: options.CountedSubjects = None,
    catalogue: Annotated[
        Path | None, typer.Option("--catalogue", help="What is sold today: it places items newer than the bundle.")
    ] = None,
    guards: Annotated[
        Path | None,
        typer.Option("--guards", help="The policy: what it lets nobody learn from counts as never bought."),
    ] = None,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of the intervals' resamples.")] = 0,
    json: options.Json = False,  # noqa: FBT002 - a flag of the command line
) -> None:
    """Rank each campaign's offers for those who redeemed one, and see how high it stood.

    A unit is a subject and a campaign of which it redeemed something; history ends where the campaign starts,
    and item statistics count the --subjects who agreed to training up to there. With --catalogue and --guards items are
    placed, and purchases left out, as where the bundle serves; no offer is withheld.

    Example: `recsys-evaluate offers --bundle models/grocery --trust S.pub --purchases release --offers coupons.parquet
    --redemptions release/redemptions.parquet --out report`
    """
    loaded = load_bundle(bundle, trust=trust)
    sold = Sold.read(catalogue, guards)
    for warning in sold.unlearned.warnings:
        warn(f"{warning}.")
    with step("Reading purchases, offers and redemptions"):
        source = read_source(purchases, today=today())
        check_domain(loaded, source.lineage, where=str(purchases))
        source = replace(source, purchases=sold.unlearned.without(source.purchases))
        redeemed = REDEMPTIONS.read(redemptions)
        check_lineage(redeemed["subject"], source.lineage, where=str(redemptions))
        campaigns = campaigns_of(OFFERS.read(offers), redeemed)
    counted = counted_purchases(source, loaded, path=purchases, subjects=subjects)
    early = [campaign.start for campaign in campaigns if campaign.start < loaded.manifest.data.until]
    if early:
        some = amount(len(early), "campaign starts", "campaigns start")
        warn(
            f"{some} before {loaded.manifest.data.until}, up to which the bundle was trained: it knows what was bought "
            "later."
        )
    with step("Judging"):
        result = judge_offers(Scorer(loaded), source.purchases, campaigns, counted, seed=seed, sold=sold)
    with replacing(out / "offers.json") as file:
        file.write_bytes(encode_document(result))
    _show(result)
    say(
        f"{amount(result.units, 'unit')} of {amount(result.campaigns, 'campaign')} and "
        f"{amount(result.subjects, 'subject')}; without a history: {result.without_history:,} more."
    )
    if json:
        print_json(result)


def _show(result: OffersResult) -> None:
    table = Table(title=f"NDCG@{result.k} of redeemed offers", title_justify="left")
    for column in ("rule", "mean, 95 % interval", f"{POOLED} minus it"):
        table.add_column(column)
    for figure in result.figures:
        change = "" if figure.rule == POOLED else change_and_interval(figure.pooled_minus_this)
        table.add_row(figure.rule, mean_and_interval(figure.ndcg), change)
    screen.print(table)
