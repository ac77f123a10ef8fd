"""Metrics over lists, one file each: formula, denominator and a worked example stand in the docstring."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

import numpy as np
from numpy.typing import NDArray

from recsys.evaluation.metrics.judged import Judged
from recsys.evaluation.metrics.ndcg import ndcg
from recsys.evaluation.metrics.precision import precision
from recsys.evaluation.metrics.recall import recall

Metric = Callable[[Judged], NDArray[np.float64]]

METRICS: Final[Mapping[str, Metric]] = MappingProxyType({"ndcg": ndcg, "recall": recall, "precision": precision})

__all__ = ["METRICS", "Judged", "Metric", "ndcg", "precision", "recall"]
