"""Models side by side: every metric of every model for every judged subject, at each task."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from recsys.evaluation.lists import top_lists
from recsys.evaluation.metrics import METRICS, Judged
from recsys.evaluation.splits import Split

Task = Literal["mixed", "novel"]
Scores = Callable[[slice], NDArray[np.floating]]  # of the judged subjects of a slice: [B, items]

K: Final = 10  # places in a list
_CELLS: Final = 2**22  # scores of one batch: bounds memory, whatever the size of the catalogue


@dataclass(frozen=True, slots=True)
class Values:
    """The metrics of one task.

    Args:
        rows: int64 [S], which of the split's judged subjects these are: all with something relevant at this task.
        metrics: float64 [S, models, metrics], both in the order of their mappings.
    """

    rows: NDArray[np.int64]
    metrics: NDArray[np.float64]


def compare(split: Split, models: Mapping[str, Scores]) -> dict[Task, Values]:
    """Judge the models' lists of `K`. A task at which nobody can be judged is left out.

    *Mixed*: every item may be listed, and what was bought in the window is relevant. *Novel*: what the subject had
    bought before is taken off the lists, and only what they had never bought before is relevant.
    """
    parts: dict[Task, list[Values]] = {"mixed": [], "novel": []}
    for rows in _batches(len(split.judged), max(1, _CELLS // split.items)):
        relevant, bought = split.relevant(rows), split.bought(rows)
        scores = [score(rows) for score in models.values()]
        parts["mixed"].append(_measured(rows, scores, relevant, np.ones_like(bought)))
        parts["novel"].append(_measured(rows, scores, relevant & ~bought, ~bought))
    joined = {task: _joined(of_task) for task, of_task in parts.items() if of_task}
    return {task: values for task, values in joined.items() if len(values.rows)}


def _batches(subjects: int, size: int) -> Iterator[slice]:
    for start in range(0, subjects, size):
        yield slice(start, min(start + size, subjects))


def _measured(
    rows: slice, scores: list[NDArray[np.floating]], relevant: NDArray[np.bool_], allowed: NDArray[np.bool_]
) -> Values:
    able = np.flatnonzero(relevant.any(axis=1))
    of_models = []
    for of_model in scores:
        judged = Judged.of(top_lists(of_model[able], K, allowed=allowed[able]), relevant[able])
        of_models.append(np.stack([metric(judged) for metric in METRICS.values()], axis=1))
    return Values(rows.start + able, np.stack(of_models, axis=1))


def _joined(parts: list[Values]) -> Values:
    return Values(np.concatenate([part.rows for part in parts]), np.concatenate([part.metrics for part in parts]))
