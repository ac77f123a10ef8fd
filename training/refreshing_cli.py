"""`recsys-train statistics`: today's item statistics for a bundle, without learning it anew."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Annotated

import polars as pl
import typer

from recsys.amounts import amount
from recsys.bundle import load_bundle
from recsys.console import parse_day, say, step, today, warn
from recsys.fresh_statistics import write_fresh_statistics
from recsys.model_items import to_model_items
from recsys.statistics import item_statistics
from training import options
from training.dataset import Sources, read_dataset


def statistics_command(  # noqa: PLR0913 - a command's options are its arguments
    *,
    bundle: options.Bundle,
    trust: options.Trust,
    purchases: options.Purchases,
    as_of: Annotated[str, typer.Option(help="Nothing dated on or after this day counts (YYYY-MM-DD)")],
    out: Annotated[Path, typer.Option(help="The statistics, for `recsys-serve --statistics`")],
    subjects: options.Subjects = None,
    catalogue: Annotated[Path | None, typer.Option(help="Needed with --guards")] = None,
    guards: options.Guards = None,
) -> None:
    """Compute a bundle's item statistics anew: popularity, trend, repeat rate, as of a day.

    Counts who agreed to training, items of the bundle, and no item that too few people bought. A bundle that was
    learned only from those who agreed takes no other statistics.

    Example: `recsys-train statistics --bundle models/grocery --trust S.pub --purchases release
    --subjects release/subjects.parquet --as-of 2017-11-27 --out stats.parquet`
    """
    day = parse_day(as_of, option="--as-of", latest=today() + dt.timedelta(days=1))
    loaded = load_bundle(bundle, trust=trust)
    with step("Reading purchases"):
        dataset = read_dataset(Sources(purchases, subjects, catalogue, guards), until=day, today=today())
    with step("Counting"):
        daily = to_model_items(dataset.daily, loaded.item_map)
        known = daily.filter(pl.col("item").is_in(loaded.vocabulary.names))
        statistics = item_statistics(known, as_of=day, min_buyers=loaded.manifest.min_buyers)
    write_fresh_statistics(statistics, out, bundle=loaded, as_of=day, consent=dataset.lineage.consent)
    for warning in dataset.warnings:
        warn(warning)
    missing = len(loaded.vocabulary) - len(statistics)
    say(f"{out} holds {len(statistics):,} of the bundle's {len(loaded.vocabulary):,} model items as of {day}.")
    if missing:
        few = amount(missing, "model item has", "model items have")
        warn(f"{few} too few buyers by then: scores are as if nobody had bought that.")
