"""Judging lists: every metric of every model for every subject, from lists and purchases alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from recsys.contracts.runs import TASKS, RunWindow, Task
from recsys.evaluation.baselines import buyers
from recsys.evaluation.comparison import batches, relevant
from recsys.evaluation.metrics import ACCURACY, METRICS, Judged, coverage, ndcg, novelty, popularity_bias
from recsys.evaluation.runs import RunSet, window_of
from recsys.evaluation.segments import SEGMENTS, Segment, rare_items, segments_of
from recsys.evaluation.splits import Split, split_at
from recsys.history import ItemIndex
from recsys.model_items import model_codes

LEAST_SUBJECTS: Final = 5  # k of design.md 6: a mean over fewer would tell about them
_OF_SEGMENTS: Final = ("ndcg",)


@dataclass(frozen=True, slots=True)
class Cell:
    """The metrics of N subjects at one task of one window, in one segment.

    Args:
        window: Its name.
        task: Of what the lists are.
        segment: Which subjects these are.
        metrics: The names of the values.
        subjects: The N tokens.
        values: float64 [N, models, metrics].
    """

    window: str
    task: Task
    segment: Segment
    metrics: tuple[str, ...]
    subjects: NDArray[np.str_]
    values: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class JudgedWindow:
    """One window.

    Args:
        window: Its days.
        split: Who was judged on what.
        cells: A cell for each task and segment that enough subjects belong to.
        asked: bool [S], for whom any model has a list; the others were not to be judged.
        coverage: For each task, the share of the items that each model shows to somebody, in the order of the models.
    """

    window: RunWindow
    split: Split
    asked: NDArray[np.bool_]
    cells: tuple[Cell, ...]
    coverage: dict[Task, tuple[float, ...]]


def judge_window(runs: RunSet, purchases: pl.DataFrame, window: RunWindow) -> JudgedWindow:
    """Judge all models in one window.

    A subject for whom a model has no list, but another has one, is judged as if it were empty: no model gains by
    leaving somebody out.

    Args:
        runs: The lists.
        purchases: In the purchases contract; what is dated after the window is not looked at.
        window: One of the runs'.
    """
    vocabulary = runs.vocabulary(window)
    index = ItemIndex.of(purchases["item"].unique().sort())
    codes = model_codes(index, vocabulary, runs.item_map)
    split = split_at(purchases, window_of(window), index, codes, items=len(vocabulary), kind=runs.manifest.split)
    lists = {task: _lists(runs, window, task, split, vocabulary) for task in TASKS}
    covered = {task: tuple(coverage(of_one, split.items) for of_one in lists[task]) for task in TASKS}
    asked = np.any([(of_task >= 0).any(axis=(0, 2)) for of_task in lists.values()], axis=0)
    return JudgedWindow(window, split, asked, tuple(_cells(window, split, asked, lists)), covered)


def _lists(runs: RunSet, window: RunWindow, task: Task, split: Split, vocabulary: ItemIndex) -> NDArray[np.int64]:
    """int64 [models, S, k], -1 for an empty place; of subjects who are not judged nothing is kept."""
    models = [model.name for model in runs.manifest.models]
    keys = {"model": models, "subject": list(split.judged.subjects), "item": list(vocabulary.names)}
    rows = runs.lists.filter(pl.col("window") == window.name, pl.col("task") == task)
    for column, names in keys.items():
        places = pl.DataFrame(
            {column: names, f"{column}_": range(len(names))}, schema={column: pl.String, f"{column}_": pl.Int64}
        )
        rows = rows.join(places, on=column)
    lists = np.full((len(models), len(split.judged), runs.manifest.k), -1, np.int64)
    model, subject, place = (rows[name].to_numpy() for name in ("model_", "subject_", "rank"))
    lists[model, subject, place - 1] = rows["item_"].to_numpy()
    return lists


def _cells(
    window: RunWindow, split: Split, asked: NDArray[np.bool_], lists: dict[Task, NDArray[np.int64]]
) -> Iterator[Cell]:
    subjects = np.array(split.judged.subjects, np.str_)
    segments = {name: flags & asked for name, flags in segments_of(split.judged).items()}
    everything = np.ones(split.items, np.bool_)
    rare = rare_items(split.everyone, items=split.items)
    for task in TASKS:
        able, values = _measured(split, task, lists[task], everything, METRICS)
        for segment in (name for name in SEGMENTS if name in segments):
            kept = segments[segment][able]
            metrics = METRICS if segment == "all" else _OF_SEGMENTS
            if kept.sum() >= LEAST_SUBJECTS:
                yield Cell(window.name, task, segment, metrics, subjects[able[kept]], values[kept][..., : len(metrics)])
        able, values = _measured(split, task, lists[task], rare, _OF_SEGMENTS)
        kept = segments["all"][able]
        if kept.sum() >= LEAST_SUBJECTS:
            yield Cell(window.name, task, "rare", _OF_SEGMENTS, subjects[able[kept]], values[kept])


def _measured(
    split: Split, task: Task, lists: NDArray[np.int64], counted: NDArray[np.bool_], metrics: Sequence[str]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Which subjects have something to be found among the `counted` items, and float64 [those, models, metrics]."""
    popularity = np.maximum(buyers(split.everyone, items=split.items), 1) / max(len(split.everyone), 1)
    found, values = [np.empty(0, np.int64)], [np.empty((0, len(lists), len(metrics)))]
    for rows in batches(len(split.judged), split.items):
        bought = split.bought(rows)
        wanted = relevant(task, split.relevant(rows), bought) & counted
        able = np.flatnonzero(wanted.any(axis=1))
        own = bought[able] @ popularity / np.maximum(bought[able].sum(axis=1), 1)
        of_models = [_values(of_one[rows][able], wanted[able], popularity, own, metrics) for of_one in lists]
        found.append(rows.start + able)
        values.append(np.stack(of_models, axis=1))
    return np.concatenate(found), np.concatenate(values)


def _values(
    lists: NDArray[np.int64],
    wanted: NDArray[np.bool_],
    popularity: NDArray[np.float64],
    own: NDArray[np.float64],
    metrics: Sequence[str],
) -> NDArray[np.float64]:
    """float64 [N, metrics] of one model's lists."""
    judged = Judged.of(lists, wanted)
    if tuple(metrics) == _OF_SEGMENTS:
        return ndcg(judged)[:, None]
    accuracy = [metric(judged) for metric in ACCURACY.values()]
    beyond = [novelty(lists, popularity), popularity_bias(lists, popularity, own)]
    return np.stack([*accuracy, *beyond], axis=1)
