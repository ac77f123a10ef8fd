"""The vocabulary: the model items that enough subjects bought to be learned."""

from __future__ import annotations

import polars as pl

from recsys.amounts import amount
from recsys.errors import ContractError
from recsys.history import ItemIndex


def items_with_buyers(daily: pl.DataFrame, *, min_buyers: int) -> ItemIndex:
    """The items with at least `min_buyers` buyers, by name: the factor of any other would tell on its buyers.

    Args:
        daily: `subject, item, day` with model items, one row each.
        min_buyers: k of design.md 6.

    Raises:
        ContractError: Fewer than two subjects or two items are left, so that there is nothing to tell apart.
    """
    buyers = daily.group_by("item").agg(pl.col("subject").n_unique().alias("buyers"))
    items = buyers.filter(pl.col("buyers") >= min_buyers).sort("item")
    subjects = daily.join(items, on="item", how="semi")["subject"].n_unique()
    if min(len(items), subjects) < 2:  # noqa: PLR2004 - one row or column cannot be ranked
        raise ContractError(
            f"{amount(len(items), 'item was', 'items were')} bought by at least {min_buyers} subjects, by "
            f"{amount(subjects, 'subject')} together; learning takes two of each",
            where="--purchases",
            mend="Give more purchases, or try --level type with a catalogue that has categories",
        )
    return ItemIndex.of(items["item"])
