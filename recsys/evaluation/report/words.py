"""What models, tasks and figures are called where a person reads them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from recsys.evaluation.comparison import Task
from recsys.evaluation.intervals import Estimate
from recsys.evaluation.results import BUNDLE, GP_POP, POPULARITY

PERCENT: Final = "\N{NO-BREAK SPACE}%"
EN_DASH: Final = "\N{EN DASH}"
MINUS: Final = "\N{MINUS SIGN}"
MODELS: Final[Mapping[str, str]] = MappingProxyType(
    {POPULARITY: "bestsellers", GP_POP: "own habit", BUNDLE: "this bundle"}
)
TERMS: Final[Mapping[str, str]] = MappingProxyType({POPULARITY: "popularity", GP_POP: "GP-Pop", BUNDLE: "bundle"})
TASKS: Final[Mapping[Task, str]] = MappingProxyType(
    {"mixed": "Everything they bought", "novel": "Something new to them"}
)
QUESTIONS: Final[Mapping[Task, str]] = MappingProxyType(
    {
        "mixed": "What will this customer buy in the next {days} days?",
        "novel": "What will this customer buy for the first time?",
    }
)
MEANINGS: Final[Mapping[Task, str]] = MappingProxyType(
    {
        "mixed": "anything may be named, and it counts as right if the customer bought it in these days.",
        "novel": "what the customer had bought before is taken off the lists, and a thing counts as right if it was "
        "bought in these days for the first time.",
    }
)
METRICS: Final[Mapping[str, str]] = MappingProxyType(
    {"ndcg": "NDCG@10", "recall": "recall@10", "precision": "precision@10"}
)


def decimal(value: float, places: int = 4) -> str:
    """`.0871`: a share without the zero before its point."""
    return f"{value:.{places}f}".removeprefix("0")


def signed(value: float, places: int = 4) -> str:
    """`+.0061`, with a true minus sign."""
    return f"{MINUS if round(value, places) < 0 else '+'}{decimal(abs(value), places)}"


def mean_and_interval(estimate: Estimate) -> str:
    """`.5595 [.547, .573]`."""
    return f"{decimal(estimate.mean)} [{decimal(estimate.low, 3)}, {decimal(estimate.high, 3)}]"


def change_and_interval(estimate: Estimate) -> str:
    """`+.0061 [+.0031, +.0091]`."""
    return f"{signed(estimate.mean)} [{signed(estimate.low)}, {signed(estimate.high)}]"


def day(value: dt.date) -> str:
    """`27 November 2017`."""
    return f"{value.day} {value:%B %Y}"


def finding(difference: Estimate) -> str:
    """What a paired difference shows: `better`, `worse`, or `unclear` where the interval holds both."""
    if difference.low > 0:
        return "better"
    return "worse" if difference.high < 0 else "unclear"
