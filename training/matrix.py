"""The matrix that the factorization learns from: subjects by model items, purchase days in its cells."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl
from scipy import sparse

from recsys.errors import ContractError
from recsys.history import ItemIndex


@dataclass(frozen=True, slots=True)
class PurchaseMatrix:
    """Purchase days of N subjects and M model items.

    Args:
        counts: float32 CSR [N, M]: on how many distinct days the subject bought the model item.
        vocabulary: The M model items, by name: a column's number is the item's index in the graph.
        least_buyers: How many subjects bought the item that fewest of them bought.
    """

    counts: sparse.csr_matrix
    vocabulary: ItemIndex
    least_buyers: int


def purchase_matrix(daily: pl.DataFrame, *, min_buyers: int) -> PurchaseMatrix:
    """Count purchase days, leaving out the items with fewer than `min_buyers` buyers: their factor would tell on them.

    Args:
        daily: `subject, item, day` with model items, one row each.
        min_buyers: k of design.md 6.

    Raises:
        ContractError: Fewer than two subjects or two items are left, so that there is nothing to tell apart.
    """
    cells = daily.group_by("subject", "item").agg(pl.len().alias("days"))
    items = cells.group_by("item").agg(pl.len().alias("buyers")).filter(pl.col("buyers") >= min_buyers).sort("item")
    cells = cells.join(items.select("item"), on="item")
    subjects = cells["subject"].unique().sort()
    if min(len(items), len(subjects)) < 2:  # noqa: PLR2004 - one row or column cannot be ranked
        raise ContractError(
            f"{len(items)} items were bought by at least {min_buyers} subjects, by {len(subjects)} subjects together; "
            "learning takes two of each",
            where="--purchases",
            mend="Give more purchases, or try --level type with a catalogue that has categories",
        )
    row = pl.DataFrame({"subject": subjects, "row": np.arange(len(subjects))})
    column = pl.DataFrame({"item": items["item"], "column": np.arange(len(items))})
    placed = cells.join(row, on="subject").join(column, on="item").sort("row", "column")
    counts = sparse.csr_matrix(
        (placed["days"].to_numpy().astype(np.float32), (placed["row"].to_numpy(), placed["column"].to_numpy())),
        shape=(len(subjects), len(items)),
    )
    least = items["buyers"].to_numpy().min()
    return PurchaseMatrix(counts, ItemIndex.of(items["item"]), int(least))
