"""Loading the store: purchases and subjects, checked against their contracts, in place of their epoch's."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass

import polars as pl

from recsys.contracts.token import column_lineage
from recsys.errors import ContractError, TokenError
from recsys.history import purchase_days
from serving.stores import People, Store


@dataclass(frozen=True, slots=True)
class Loaded:
    """What a load did, in numbers.

    Args:
        subjects: People in the store now.
        without_consents: Those of them who are not in the subjects file, or agreed to nothing there.
        purchases: Lines that were kept.
        days: What became of them: one row a subject, item and day.
        dropped_never: Lines of items that are offered to nobody.
        dropped_unknown: Lines of items that the catalogue does not know: nobody can say that they are harmless.
        erased: People who were left out because they were erased.
    """

    subjects: int
    without_consents: int
    purchases: int
    days: int
    dropped_never: int
    dropped_unknown: int
    erased: int = 0


def people_of(
    purchases: pl.DataFrame,
    subjects: pl.DataFrame,
    *,
    sold: pl.Series,
    never: frozenset[str],
    where: tuple[str, str] = ("--purchases", "--subjects"),
) -> tuple[People, Loaded]:
    """What is to be loaded, and what was left out.

    Args:
        purchases: In the purchases contract.
        subjects: In the subjects contract.
        sold: The catalogue's items.
        never: Items that are offered to nobody: their purchases are not kept.
        where: What errors call the two tables.

    Raises:
        TokenError: The tokens are not all of one domain and epoch.
        ContractError: The catalogue knows none of the items.
    """
    lineage = column_lineage(purchases["subject"], where=f"{where[0]}, column 'subject'")
    if column_lineage(subjects["subject"], where=f"{where[1]}, column 'subject'") != lineage:
        mend = "Give the subjects of the same release"
        raise TokenError(
            "are of another domain or epoch than the purchases", where=f"{where[1]}, the tokens", mend=mend
        )
    sensitive = purchases["item"].is_in(list(never))
    placed = purchases["item"].is_in(sold.implode())
    kept = purchases.filter(placed & ~sensitive)
    if kept.is_empty():
        raise ContractError(
            "none of the items stands in the catalogue",
            where=f"{where[0]}, column 'item'",
            mend="Name the catalogue that these purchases were sold from",
        )
    daily = purchase_days(kept)
    buyers = daily["subject"].unique()
    strangers = int((~buyers.is_in(subjects["subject"].implode())).sum())
    counts = Loaded(
        subjects=len(subjects) + strangers,
        without_consents=strangers + int((subjects["consents"].list.len() == 0).sum()),
        purchases=len(kept),
        days=len(daily),
        dropped_never=int(sensitive.sum()),
        dropped_unknown=int((~placed & ~sensitive).sum()),
    )
    last = purchases["day"].max()
    return People(lineage, subjects, daily, until=last if isinstance(last, dt.date) else None), counts


def load_people(
    store: Store, people: People, counts: Loaded, *, now: dt.datetime, progress: Callable[[int], None]
) -> Loaded:
    """Put `people` in place of everybody of their epoch who was loaded before, but for those who were erased.

    Raises:
        TokenError: The store holds tokens of another domain.
    """
    erased = store.load(people, now=now, progress=progress)
    return dataclasses.replace(counts, subjects=counts.subjects - erased, erased=erased)
