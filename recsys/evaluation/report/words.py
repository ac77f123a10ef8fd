"""What tasks, segments, metrics and figures are called where a person reads them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from recsys.contracts.runs import Task
from recsys.evaluation.intervals import LEVEL, Estimate
from recsys.evaluation.results import Difference
from recsys.evaluation.segments import Segment

PERCENT: Final = "\N{NO-BREAK SPACE}%"
EN_DASH: Final = "\N{EN DASH}"
MINUS: Final = "\N{MINUS SIGN}"
TASKS: Final[Mapping[Task, str]] = MappingProxyType(
    {"mixed": "Everything they bought", "repeat": "What they buy again", "novel": "Something new to them"}
)
QUESTIONS: Final[Mapping[Task, str]] = MappingProxyType(
    {
        "mixed": "What will this customer buy?",
        "repeat": "Which of their things will this customer buy again?",
        "novel": "What will this customer buy for the first time?",
    }
)
MEANINGS: Final[Mapping[Task, str]] = MappingProxyType(
    {
        "mixed": "anything may be named, and it counts as right if the customer bought it.",
        "repeat": "only what the customer had bought before may be named, and it counts as right if bought again.",
        "novel": "what the customer had bought before is taken off the lists, and a thing counts as right if it was "
        "bought for the first time.",
    }
)
SEGMENTS: Final[Mapping[Segment, str]] = MappingProxyType(
    {
        "all": "everyone with a history",
        "short": "short histories",
        "middle": "middling histories",
        "long": "long histories",
        "new": "new customers",
        "rare": "rare items",
    }
)
METRICS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "ndcg": "NDCG@{k}",
        "recall": "recall@{k}",
        "precision": "precision@{k}",
        "map": "MAP@{k}",
        "novelty": "novelty, bits",
        "popularity_bias": "popularity bias",
    }
)
MEAN: Final = "mean of the windows"


def metric(name: str, k: int) -> str:
    """`NDCG@10`."""
    return METRICS[name].format(k=k)


def decimal(value: float, places: int = 4) -> str:
    """`.0871`: a share without the zero before its point."""
    return f"{value:.{places}f}".replace("-0.", "-.").removeprefix("0").replace("-", MINUS)


def signed(value: float, places: int = 4) -> str:
    """`+.0061`, with a true minus sign."""
    return f"{MINUS if round(value, places) < 0 else '+'}{decimal(abs(value), places)}"


def mean_and_interval(estimate: Estimate) -> str:
    """`.5595 [.547, .573]`."""
    return f"{decimal(estimate.mean)} [{decimal(estimate.low, 3)}, {decimal(estimate.high, 3)}]"


def change_and_interval(estimate: Estimate) -> str:
    """`+.0061 [+.0031, +.0091]`."""
    return f"{signed(estimate.mean)} [{signed(estimate.low)}, {signed(estimate.high)}]"


def share(value: float | None) -> str:
    """`+1.2 %`, or nothing where there is no share to tell."""
    return "" if value is None else f"{signed(100 * value, 1)}{PERCENT}"


def chance(p: float) -> str:
    """`< .001` or `.034`."""
    return "< .001" if p < 0.001 else decimal(p, 3)  # noqa: PLR2004 - as statisticians write it


def day(value: dt.date) -> str:
    """`27 November 2017`."""
    return f"{value.day} {value:%B %Y}"


def finding(difference: Difference) -> str:
    """What a paired difference shows: `better` or `worse` after Holm's correction, else `unclear`."""
    if difference.holm >= 1 - LEVEL:
        return "unclear"
    return "better" if difference.estimate.mean > 0 else "worse"
