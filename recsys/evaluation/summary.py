"""From the metrics of each subject to means, paired differences and groups, each with its interval."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from recsys.evaluation.comparison import Task, Values
from recsys.evaluation.intervals import Estimate, bootstrap_means
from recsys.evaluation.metrics import METRICS
from recsys.evaluation.results import BUNDLE, Difference, Figure, GroupFigure
from recsys.history import DAYS, Histories

GROUPS: Final = 4  # of about equal size, by shopping days before the window
_NDCG: Final = list(METRICS).index("ndcg")


@dataclass(frozen=True, slots=True)
class Summary:
    """What is reported."""

    figures: tuple[Figure, ...]
    differences: tuple[Difference, ...]
    by_history: tuple[GroupFigure, ...]


def summarise(
    compared: Mapping[Task, Values], models: Sequence[str], judged: Histories, rng: np.random.Generator
) -> Summary:
    """Summarise a comparison.

    Args:
        compared: From `comparison.compare`.
        models: The models' names in the order of the values, `BUNDLE` among them.
        judged: The histories of the judged subjects before the window.
        rng: Draws the bootstrap's resamples.
    """
    figures: list[Figure] = []
    differences: list[Difference] = []
    by_history: list[GroupFigure] = []
    days = shopping_days(judged)
    for task, values in compared.items():
        paired = values.metrics[:, models.index(BUNDLE), None] - values.metrics
        both = np.stack([values.metrics, paired], axis=1)
        estimates = iter(bootstrap_means(both.reshape(len(both), -1), rng))
        figures += _figures(task, models, len(both), estimates)
        differences += _differences(task, models, values.metrics, estimates)
        by_history += _by_history(task, models, values, days[values.rows], rng)
    return Summary(tuple(figures), tuple(differences), tuple(by_history))


def shopping_days(histories: Histories) -> NDArray[np.int64]:
    """int64 [B]: on how many different days each subject bought something."""
    visits = np.unique(histories.rows_of * DAYS + histories.day)
    return np.bincount(visits // DAYS, minlength=len(histories))


def _figures(task: Task, models: Sequence[str], subjects: int, estimates: Iterator[Estimate]) -> Iterator[Figure]:
    for model in models:
        for metric in METRICS:
            yield Figure(task=task, model=model, metric=metric, subjects=subjects, estimate=next(estimates))


def _differences(
    task: Task, models: Sequence[str], metrics: NDArray[np.float64], estimates: Iterator[Estimate]
) -> Iterator[Difference]:
    """The bundle minus each other model; `estimates` hold its difference to itself as well."""
    for baseline, means in zip(models, metrics.mean(axis=0).tolist(), strict=True):
        for metric, mean in zip(METRICS, means, strict=True):
            estimate = next(estimates)
            if baseline != BUNDLE:
                yield Difference(
                    task=task,
                    baseline=baseline,
                    metric=metric,
                    subjects=len(metrics),
                    estimate=estimate,
                    relative=estimate.mean / mean if mean else None,
                )


def _by_history(
    task: Task, models: Sequence[str], values: Values, days: NDArray[np.int64], rng: np.random.Generator
) -> Iterator[GroupFigure]:
    for members in _groups(days):
        estimates = bootstrap_means(values.metrics[members, :, _NDCG], rng)
        for model, estimate in zip(models, estimates, strict=True):
            yield GroupFigure(
                task=task,
                model=model,
                from_days=int(days[members].min()),
                to_days=int(days[members].max()),
                subjects=len(members),
                estimate=estimate,
            )


def _groups(days: NDArray[np.int64]) -> Iterable[NDArray[np.int64]]:
    """Positions of the subjects of each group, those with the fewest days first; equal days, equal group."""
    edges = np.quantile(days, np.arange(1, GROUPS) / GROUPS, method="higher")
    group_of = np.searchsorted(np.unique(edges), days)
    return [np.flatnonzero(group_of == group) for group in np.unique(group_of)]
