"""Purchases in a few words, as a table, as what a load is given, and as events."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

import polars as pl

from recsys.contracts.event import Event, EventType
from recsys.contracts.token import Lineage
from recsys.history import purchase_days
from serving.stores import People, Recorded, Reported, Store
from support.tokens import token

DAY = dt.date(2017, 11, 1)
NOW = dt.datetime(2017, 11, 27, 9, tzinfo=dt.UTC)
ANNA, BELA, CARA = token("anna"), token("bela"), token("cara")

Line = tuple[str, str, int, float]  # subject, item, days after DAY, quantity; negative for a return


def purchases(lines: Sequence[Line]) -> pl.DataFrame:
    """The lines in the purchases contract."""
    return pl.DataFrame(
        [(subject, item, DAY + dt.timedelta(days), quantity) for subject, item, days, quantity in lines],
        schema={"subject": pl.String, "item": pl.String, "day": pl.Date, "quantity": pl.Float64},
        orient="row",
    )


def people(lines: Sequence[Line], consents: dict[str, list[str]] | None = None, epoch: str = "01") -> People:
    """What a load is given; Anna's consent stands for somebody where nobody is named."""
    agreed = consents or {ANNA: ["profiling", "channel:email"]}
    subjects = pl.DataFrame({"subject": list(agreed), "consents": list(agreed.values())})
    return People(Lineage("rec", epoch), subjects, purchase_days(purchases(lines)))


def event(name: object, line: Line, *, basket: str | None = None) -> Event:
    """One line as an event, at noon."""
    subject, item, days, quantity = line
    return Event(
        event_id=f"e{name}",
        type=EventType.PURCHASE if quantity > 0 else EventType.RETURN,
        subject=subject,
        at=dt.datetime.combine(DAY + dt.timedelta(days), dt.time(12), dt.UTC),
        item=item,
        quantity=abs(quantity),
        basket=basket,
    )


def silent(_: int) -> None:
    """Progress that nobody watches."""


def load(store: Store, who: People) -> int:
    """Load, now."""
    return store.load(who, now=NOW, progress=silent)


def record(store: Store, *events: Event) -> Recorded:
    """Record, now."""
    return store.record([Reported(one) for one in events], now=NOW)
