"""From loaded people and recorded events to rows of the tables, alike for every database."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec
import numpy as np
import polars as pl

from recsys.contracts.event import Event, EventType
from recsys.contracts.state import State
from recsys.history import day_number
from serving.stores.packed import ROW, Rows, pack, rows_of
from serving.stores.records import People

BATCH: Final = 10_000  # subjects written at once, at most
# Purchase days of theirs, about: whoever else writes waits for so many, which take less than a second.
DAYS_AT_ONCE: Final = 200_000


def subject_rows(people: People, codes: Mapping[str, int]) -> Iterator[list[dict[str, Any]]]:
    """The rows of `subjects`, in batches; of the same people always the same ones, so that a load can go on.

    Args:
        people: Those who have purchases, or stand in the subjects file, or both.
        codes: The store's code of each item.
    """
    numbered = people.daily.with_columns(pl.col("item").replace_strict(codes, return_dtype=pl.UInt32))
    rows = rows_of(numbered)
    spans = numbered.group_by("subject", maintain_order=True).agg(pl.len().alias("rows"))
    spans = spans.with_columns((pl.col("rows").cum_sum() - pl.col("rows")).alias("start"))
    known = people.subjects.join(spans, on="subject", how="full", coalesce=True).sort("subject")
    batch = pl.int_range(pl.len()) // BATCH, pl.col("rows").fill_null(0).cum_sum() // DAYS_AT_ONCE
    for part in known.with_columns(batch=pl.struct(*batch)).partition_by("batch", maintain_order=True):
        yield [_subject_row(person, rows) for person in part.iter_rows(named=True)]


def event_rows(events: Sequence[Event], codes: Mapping[str, int]) -> dict[str, Rows]:
    """What purchases and returns add to the history of each subject.

    Lines of one receipt count as one basket where they arrive together.
    """
    lines: dict[str, list[tuple[int, int, float, int]]] = {}
    receipts: set[tuple[str, int, str | None, int]] = set()
    for event in events:
        day, code = day_number(event.at.astimezone(dt.UTC).date()), codes[event.item or ""]
        sign = 1.0 if event.type is EventType.PURCHASE else -1.0
        receipt = (event.subject, day, event.basket, code)
        new = sign > 0 and receipt not in receipts
        receipts.add(receipt)
        lines.setdefault(event.subject, []).append((day, code, sign * (event.quantity or 0.0), int(new)))
    return {subject: np.array(rows, ROW) for subject, rows in lines.items()}


def state_of(row: Any) -> State:  # noqa: ANN401 - a row of any database
    """The state that stands in a row of `subjects`."""
    return State(
        consents=msgspec.json.decode(row.consents, type=frozenset[str]),
        adult=row.adult,
        interests=msgspec.json.decode(row.interests, type=tuple[str, ...]),
        store=row.store,
        region=row.region,
    )


def _subject_row(person: Mapping[str, Any], rows: Rows) -> dict[str, Any]:
    start, count = person["start"] or 0, person["rows"] or 0
    return {
        "subject": person["subject"],
        "consents": _json(person["consents"]),
        "adult": person.get("adult"),
        "interests": _json(person.get("interests")),
        "store": person.get("store"),
        "region": person.get("region"),
        "history": pack(rows[start : start + count]),
    }


def _json(values: Sequence[str] | None) -> str:
    return msgspec.json.encode(list(dict.fromkeys(values or ()))).decode()
