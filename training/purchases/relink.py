"""Joining the rows of people who turned out to be one, and parting those of people who did not.

The law stands in `recsys.contracts.relink`. Parts come first: a part ends what was joined before, and whoever is parted
may be joined with somebody else in the same order.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
from dataclasses import dataclass
from pathlib import Path

import msgspec
import polars as pl

from recsys.contracts.dataset import Dataset
from recsys.contracts.evaluation_sets import DEMOGRAPHICS
from recsys.contracts.purchases import PURCHASES
from recsys.contracts.recipient import TRAINING
from recsys.contracts.relink import Counts, RelinkOrder, RelinkReceipt
from recsys.contracts.subjects import SUBJECTS
from recsys.contracts.token import Lineage
from training.purchases.folder import Change, changing
from training.purchases.forget import renaming
from training.purchases.tables import BASKET, SUBJECT, TABLES
from training.purchases.tombstones import erased

_OWN = "own"  # whether a row stood under the person's token before


@dataclass(frozen=True, slots=True)
class Relinked:
    """What an order led to. `new` is False where it had been applied before; the receipt is that of then."""

    receipt: RelinkReceipt
    new: bool


def relink(order: RelinkOrder, folder: Path, *, skip: bool, now: dt.datetime) -> Relinked:
    """Apply an order to all tables at once.

    Args:
        order: For this recipient.
        folder: The dataset.
        skip: Whether orders in between are known to be about nothing that is held.
        now: Stands in the receipt.

    Raises:
        ContractError: The order is for somebody else, or does not follow the last one; nothing was changed.
        TokenError: It is of another domain, or does not speak of an epoch that the dataset accepts.
    """
    with changing(folder) as change:
        dataset = change.dataset
        earlier = next((receipt for receipt in dataset.relinks if receipt.order_id == order.header.order_id), None)
        if earlier is not None:
            return Relinked(earlier, new=False)
        order.check_for(TRAINING, frozenset(Lineage(dataset.domain, epoch) for epoch in dataset.epochs))
        last = max((receipt.number for receipt in dataset.relinks), default=0)
        order.header.check_follows(last, skip=skip, where="the order")
        obeyed, refused = _without_erased(order, dataset)
        moved, counts = _moved(change, obeyed)
        receipt = RelinkReceipt.of(order.header, counts, erased=refused, at=now)
        change.commit(msgspec.structs.replace(moved, relinks=(*dataset.relinks, receipt)))
    return Relinked(receipt, new=True)


def _without_erased(order: RelinkOrder, dataset: Dataset) -> tuple[RelinkOrder, int]:
    """The order without what it says of people who were erased here, and how many tokens that were."""
    tokens = pl.concat([frame[name].alias("token") for frame in (order.joins, order.parts) for name in ("from", "to")])
    gone = erased(dataset, tokens)
    if not gone:
        return order, 0
    dead = pl.col("from").is_in(gone) | pl.col("to").is_in(gone)
    kept = dataclasses.replace(order, joins=order.joins.filter(~dead), baskets=order.baskets.filter(~dead))
    return kept, len(gone)


def _moved(change: Change, order: RelinkOrder) -> tuple[Dataset, Counts]:
    """The dataset as the order has it, staged, and how many rows of each table were joined, parted and removed."""
    dataset = change.dataset
    joined, parted, removed = dict.fromkeys(TABLES, 0), dict.fromkeys(TABLES, 0), dict.fromkeys(TABLES, 0)
    renamed: dict[str, str | None] = {}
    silent = _silent(change, order.joins)
    for table in TABLES:
        for name in (*dataset.parts(table), *filter(None, [dataset.merged.get(table)])):
            before = change.read(table, name)
            apart, told = _parted(before, order, by_receipt=table == PURCHASES.name)
            after, count = _joined(table, apart, order.joins)
            if table == SUBJECTS.name:
                after = _without_consents(after, silent)
            parted[table] += told
            removed[table] += len(before) - len(apart)
            joined[table] += count
            if not after.equals(before):
                renamed[name] = change.stage(TABLES[table], after)
    return renaming(dataset, renamed), (joined, parted, removed)


def _silent(change: Change, joins: pl.DataFrame) -> pl.Series:
    """People with a token that bought and has no row of its own: it has agreed to nothing, as in the service."""
    linked = pl.concat([joins["from"], joins["to"]])

    def among(table: str) -> pl.Series:
        dataset = change.dataset
        names = (*dataset.parts(table), *filter(None, [dataset.merged.get(table)]))
        held = [change.read(table, name)[SUBJECT].unique() for name in names]
        return pl.concat([linked.head(0), *held]).unique()

    bought, said = among(PURCHASES.name), among(SUBJECTS.name)
    quiet = linked.filter(linked.is_in(bought.implode()) & ~linked.is_in(said.implode())).implode()
    return joins.filter(pl.col("from").is_in(quiet) | pl.col("to").is_in(quiet))["to"].unique()


def _without_consents(subjects: pl.DataFrame, people: pl.Series) -> pl.DataFrame:
    nothing = pl.lit([], pl.List(pl.String))
    agreed = pl.when(pl.col(SUBJECT).is_in(people.implode())).then(nothing).otherwise("consents")
    return subjects.with_columns(consents=agreed)


def _parted(frame: pl.DataFrame, order: RelinkOrder, *, by_receipt: bool) -> tuple[pl.DataFrame, int]:
    """The rows, less those of people who were several and that nothing tells apart; how many were told apart."""
    several = pl.col(SUBJECT).is_in(order.parts["from"].implode())
    if order.parts.is_empty() or not frame.select(several.any()).item():
        return frame, 0
    if not by_receipt or BASKET not in frame.columns:
        return frame.filter(~several), 0
    owners = order.baskets.rename({"from": SUBJECT, "basket": BASKET})
    found = frame.join(owners, on=[SUBJECT, BASKET], how="left", maintain_order="left")
    told = int(found["to"].is_not_null().sum())
    kept = found.filter(~several | pl.col("to").is_not_null())
    return kept.with_columns(pl.coalesce("to", SUBJECT).alias(SUBJECT)).drop("to"), told


def _joined(table: str, frame: pl.DataFrame, joins: pl.DataFrame) -> tuple[pl.DataFrame, int]:
    """The rows under the tokens of the people whose they are, and how many have another token than before."""
    found = frame.join(joins.rename({"from": SUBJECT}), on=SUBJECT, how="left", maintain_order="left")
    count = int(found["to"].is_not_null().sum())
    if not count:
        return frame, 0
    own = found.with_columns(pl.coalesce("to", SUBJECT).alias(SUBJECT), pl.col("to").is_null().alias(_OWN)).drop("to")
    if table == SUBJECTS.name:
        return _one_row_each(own).select(frame.columns), count
    if table == DEMOGRAPHICS.name:
        first = own.sort(_OWN, descending=True, maintain_order=True)
        own = first.unique(list(DEMOGRAPHICS.unique), keep="first", maintain_order=True)
    return own.select(frame.columns), count


def _one_row_each(rows: pl.DataFrame) -> pl.DataFrame:
    """Subjects with the stricter of what was agreed to, and of what was verified; the person's own store and region."""
    values = [name for name in rows.columns if name not in {SUBJECT, _OWN}]
    first = rows.sort(_OWN, descending=True, maintain_order=True)
    return first.group_by(SUBJECT, maintain_order=True).agg(_stricter(name) for name in values)


def _stricter(name: str) -> pl.Expr:
    column = pl.col(name)
    match name:
        case "consents":
            each = column.list.unique(maintain_order=True).explode().drop_nulls()
            return each.unique(maintain_order=True).filter(each.unique_counts() == pl.len())
        case "adult":
            of_age = pl.when(column.fill_null(value=False).all()).then(pl.lit(value=True))
            return pl.when((~column).any()).then(pl.lit(value=False)).otherwise(of_age).alias(name)
        case "interests":
            return column.explode().drop_nulls().unique(maintain_order=True)
        case _:
            return column.drop_nulls().first()
