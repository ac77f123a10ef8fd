"""Metrics over lists: formula, denominator and a worked example stand in each docstring."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

import numpy as np
from numpy.typing import NDArray

from recsys.evaluation.metrics.average_precision import average_precision
from recsys.evaluation.metrics.beyond import coverage, novelty, popularity_bias
from recsys.evaluation.metrics.judged import Judged
from recsys.evaluation.metrics.ndcg import ndcg
from recsys.evaluation.metrics.precision import precision
from recsys.evaluation.metrics.recall import recall

Metric = Callable[[Judged], NDArray[np.float64]]

# Of right and wrong places. `METRICS` names them and what lists are like beyond that, in the order of the reports.
ACCURACY: Final[Mapping[str, Metric]] = MappingProxyType(
    {"ndcg": ndcg, "recall": recall, "precision": precision, "map": average_precision}
)
METRICS: Final = (*ACCURACY, "novelty", "popularity_bias")

__all__ = [
    "ACCURACY",
    "METRICS",
    "Judged",
    "Metric",
    "average_precision",
    "coverage",
    "ndcg",
    "novelty",
    "popularity_bias",
    "precision",
    "recall",
]
