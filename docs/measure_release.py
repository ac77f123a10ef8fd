r"""What a partner can still learn from a release that the gate let through, beside the truth of the retailer's own.

    python docs/measure_release.py --own build/demo/release --partner build/partner \
        --catalogue build/demo/raw/catalogue.parquet

Prints the table of `docs/release-gate.md`.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import polars as pl

from pseudonymize.gate.labels import labels_of
from pseudonymize.gate.lines import read_lines
from pseudonymize.gate.popularity import POPULARITY, buyers_a_week
from pseudonymize.gate.settings import Level
from recsys.contracts.catalogue import CATALOGUE
from recsys.contracts.purchases import PURCHASES


def main() -> None:
    """Print the errors of popularity by category and week, and of the departments' shares in histories."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("own", "partner", "catalogue"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    options = parser.parse_args()
    paths = CATALOGUE.read(options.catalogue).select("item", "category")
    lines = read_lines(options.own / "purchases.parquet")
    truth = buyers_a_week(lines, labels_of(lines.items, Level.CATEGORY, paths))
    for name, value in {
        **popularity_errors(truth, POPULARITY.read(options.partner / "popularity.parquet")),
        **history_errors(options.own, options.partner, paths),
    }.items():
        print(f"| {name} | {value} |")  # noqa: T201 - a script's result


def popularity_errors(truth: pl.DataFrame, told: pl.DataFrame) -> dict[str, str]:
    """How near the released counts are, a cell that was left out counting as nothing."""
    both = truth.join(told.rename({"subjects": "told"}), on=["category", "week"], how="left").fill_null(0)
    subjects, counted = (both[name].cast(pl.Float64).to_numpy() for name in ("subjects", "told"))
    error, kept, buyers = np.abs(counted - subjects), counted > 0, subjects.sum()
    rank = both.select(pl.corr("subjects", "told", method="spearman")).item()
    return {
        "cells of category and week, in truth and released": f"{both.height:,} and {kept.sum():,}",
        "buyers who stand in released cells": f"{subjects[kept].sum() / buyers:.1%}",
        "mean absolute error of a released cell": f"{error[kept].mean():.2f} subjects",
        "mean error of a released cell relative to its count": f"{(error[kept] / subjects[kept]).mean():.1%}",
        "sum of all errors by sum of all buyers, cells left out counted as none": f"{error.sum() / buyers:.1%}",
        "rank correlation over all cells": f"{rank:.3f}",
    }


def history_errors(own: Path, partner: Path, paths: pl.DataFrame) -> dict[str, str]:
    """How near the departments' shares of the released points are to their shares of all (subject, department)."""
    released = PURCHASES.read(partner / "purchases.parquet")
    bought = PURCHASES.read(own / "purchases.parquet").filter(pl.col("quantity") > 0)
    labels = labels_of(bought["item"], Level.DEPARTMENT, paths)
    names = [labels.names[place] if place >= 0 else None for place in labels.place.tolist()]
    pairs = bought.select("subject", item=pl.Series(names, dtype=pl.String)).drop_nulls().unique()
    shares = [frame["item"].value_counts(normalize=True) for frame in (pairs, released)]
    both = shares[0].join(shares[1], on="item", how="left", suffix="_told").fill_null(0)
    distance = np.abs(both["proportion"].to_numpy() - both["proportion_told"].to_numpy()).sum() / 2
    return {
        "released rows and subjects": f"{released.height:,} of {released['subject'].n_unique():,}",
        "departments' shares of the histories, total variation from the truth": f"{distance:.3f}",
    }


if __name__ == "__main__":
    main()
