"""The judging again, in plain loops from its meaning. Shares no code with `recsys.evaluation`."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Callable
from dataclasses import dataclass

import polars as pl

from support.oracle import net_days

Day = dt.date


@dataclass(frozen=True)
class Person:
    """What one subject did: days of each model item before the window, and the model items bought in it."""

    before: dict[str, set[Day]]
    wanted: set[str]


def people(lines: pl.DataFrame, types: dict[str, str], known: set[str], as_of: Day, end: Day) -> dict[str, Person]:
    """Everyone with a side or two, at the level of types."""
    found = {}
    for (subject,), rows in lines.group_by("subject"):
        own = list(rows.drop("subject").iter_rows())
        before: dict[str, set[Day]] = {}
        for item, day in net_days(tuple(line for line in own if line[1] < as_of)):
            if types.get(item) in known:
                before.setdefault(types[item], set()).add(day)
        until_end = net_days(tuple(line for line in own if line[1] < end))
        wanted = {types[item] for item, day in until_end if day >= as_of and types.get(item) in known}
        found[str(subject)] = Person(before, wanted)
    return found


def judged(everyone: dict[str, Person]) -> dict[str, Person]:
    """Those with a history and a target."""
    return {subject: person for subject, person in everyone.items() if person.before and person.wanted}


def popularity(everyone: dict[str, Person], items: list[str]) -> dict[str, float]:
    """Different buyers."""
    return {item: sum(item in person.before for person in everyone.values()) for item in items}


def own_frequency(everyone: dict[str, Person], items: list[str]) -> Callable[[Person], dict[str, float]]:
    """Own purchase days; between equals, different buyers."""
    popular = popularity(everyone, items)
    most = max(popular.values())
    return lambda person: {item: len(person.before.get(item, ())) + popular[item] / (2 * most) for item in items}


def metrics(scores: dict[str, float], wanted: set[str], hidden: set[str], k: int = 10) -> dict[str, float]:
    """The metrics of right places of the list that the scores make, ties in the items' order."""
    order = sorted((item for item in scores if item not in hidden), key=lambda item: -scores[item])[:k]
    places = [place for place, item in enumerate(order, start=1) if item in wanted]
    best = sum(1 / math.log2(place + 1) for place in range(1, min(k, len(wanted)) + 1))
    return {
        "ndcg": sum(1 / math.log2(place + 1) for place in places) / best,
        "recall": len(places) / min(k, len(wanted)),
        "precision": len(places) / k,
        "map": sum((number + 1) / place for number, place in enumerate(places)) / min(k, len(wanted)),
    }
