"""How many subjects bought of each category in each week: what a partner gets besides histories, or instead of them.

Counts of fewer than k are left out, and the others are rounded to the nearest multiple of k, so that two releases do
not tell by their difference what one more person bought. (This is no differential privacy: many releases of overlapping
people do tell.)
"""

from __future__ import annotations

from typing import Final

import numpy as np
import polars as pl

from pseudonymize.gate.labels import Labels
from pseudonymize.gate.lines import Lines
from recsys.contracts.table import Column, TableContract, filled

POPULARITY: Final = TableContract(
    name="popularity",
    version=1,
    columns=(
        Column("category", pl.String(), "What was bought, as wide as the policy says", check=filled),
        Column("week", pl.Date(), "The Monday of the week"),
        Column(
            "subjects",
            pl.Int64(),
            "How many bought of it, rounded to a multiple of k; fewer than k are left out",
            check=lambda value: value > 0,
        ),
    ),
    unique=("category", "week"),
)


def buyers_a_week(lines: Lines, labels: Labels) -> pl.DataFrame:
    """The truth: distinct subjects of each label in each week."""
    placed = labels.place[lines.item] >= 0
    frame = pl.DataFrame(
        {
            "subject": lines.subject[placed],
            "label": labels.place[lines.item[placed]],
            "week": pl.Series(lines.day[placed]).cast(pl.Date).dt.truncate("1w"),
        }
    )
    counted = frame.unique().group_by("label", "week").agg(subjects=pl.len().cast(pl.Int64))
    return counted.select(labels.names.gather(counted["label"]).alias("category"), "week", "subjects").sort(
        "category", "week"
    )


def popularity(lines: Lines, labels: Labels, *, k: int) -> pl.DataFrame:
    """The table as it is released."""
    truth = buyers_a_week(lines, labels).filter(pl.col("subjects") >= k)
    counts = np.rint(truth["subjects"].to_numpy() / k).astype(np.int64) * k
    return truth.with_columns(subjects=pl.Series(counts))
