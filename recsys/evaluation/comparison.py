"""Models side by side: what each would list at each task, and what the lists are worth."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from recsys.contracts.runs import TASKS, Task
from recsys.evaluation.lists import top_lists
from recsys.evaluation.metrics import Judged
from recsys.evaluation.metrics.ndcg import ndcg
from recsys.evaluation.splits import Split

Scores = Callable[[slice], NDArray[np.floating]]  # of the judged subjects of a slice: [B, items]

K: Final = 10  # places in a list
_CELLS: Final = 2**22  # scores of one batch: bounds memory, whatever the size of the catalogue


@dataclass(frozen=True, slots=True)
class Listed:
    """The lists of one model at one task for all S judged subjects of a split.

    Args:
        items: int64 [S, k], model items, best first; -1 where a list is shorter.
        scores: float64 [S, k], what they were ranked by; NaN where a list is shorter.
    """

    items: NDArray[np.int64]
    scores: NDArray[np.float64]


def listed(split: Split, scores: Scores, *, k: int = K) -> dict[Task, Listed]:
    """The lists of a model at each task.

    *Mixed*: every item may be listed. *Repeat*: only what the subject had bought before. *Novel*: only what they had
    never bought. A score that is not finite is never listed.
    """
    parts: dict[Task, list[tuple[NDArray[np.int64], NDArray[np.float64]]]] = {task: [] for task in TASKS}
    for rows in batches(len(split.judged), split.items):
        bought, of_rows = split.bought(rows), scores(rows)
        for task in TASKS:
            items = top_lists(of_rows, k, allowed=_allowed(task, bought))
            given = np.take_along_axis(of_rows, np.maximum(items, 0), axis=1).astype(np.float64)
            parts[task].append((items, np.where(items >= 0, given, np.nan)))
    return {
        task: Listed(np.concatenate([items for items, _ in of_task]), np.concatenate([given for _, given in of_task]))
        for task, of_task in parts.items()
        if of_task
    }


def relevant(task: Task, targets: NDArray[np.bool_], bought: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Which of the targets count at a task: all; those bought before; those never bought before."""
    if task == "mixed":
        return targets
    return targets & bought if task == "repeat" else targets & ~bought


def mean_ndcg(split: Split, scores: Scores, *, k: int = K) -> dict[Task, float]:
    """Mean NDCG of a model over the subjects with a history; a task that nobody can be judged on is left out."""
    lists = listed(split, scores, k=k)
    values: dict[Task, list[NDArray[np.float64]]] = {task: [] for task in lists}
    old = ~split.new
    for rows in batches(len(split.judged), split.items):
        targets, bought = split.relevant(rows), split.bought(rows)
        for task, of_task in lists.items():
            wanted = relevant(task, targets, bought)
            able = wanted.any(axis=1) & old[rows]
            values[task].append(ndcg(Judged.of(of_task.items[rows][able], wanted[able])))
    joined = {task: np.concatenate(of_task) for task, of_task in values.items()}
    return {task: float(of_task.mean()) for task, of_task in joined.items() if len(of_task)}


def batches(subjects: int, items: int) -> Iterator[slice]:
    """Slices of the subjects whose scores fit into memory."""
    size = max(1, _CELLS // max(items, 1))
    for start in range(0, subjects, size):
        yield slice(start, min(start + size, subjects))


def _allowed(task: Task, bought: NDArray[np.bool_]) -> NDArray[np.bool_]:
    if task == "mixed":
        return np.ones_like(bought)
    return bought if task == "repeat" else ~bought
