"""From the metrics of each subject to means and paired differences, each with its interval."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from recsys.contracts.runs import TASKS
from recsys.evaluation.intervals import Doubles, estimates, holm, p_values, resampled_means
from recsys.evaluation.judging import Cell
from recsys.evaluation.results import Difference, Figure
from recsys.evaluation.segments import SEGMENTS

_ALL: Final = None  # the mean over the windows


@dataclass(frozen=True, slots=True)
class Resampled:
    """The means of a cell, or of several windows together.

    Args:
        cell: Whose task, segment and metrics these are.
        window: Its name, or None for the mean over windows.
        subjects: How many different subjects.
        means: float64 [models, metrics].
        drawn: float64 [R, models, metrics]: the same in each resample.
    """

    cell: Cell
    window: str | None
    subjects: int
    means: Doubles
    drawn: Doubles


def summarise(
    cells: Sequence[Cell], models: Sequence[str], candidate: str, rng: np.random.Generator
) -> tuple[tuple[Figure, ...], tuple[Difference, ...]]:
    """Summarise what was judged.

    Args:
        cells: Of all windows.
        models: The models' names in the order of the values.
        candidate: The one that the others are held against.
        rng: Draws the bootstrap's resamples.
    """
    figures: list[Figure] = []
    differences: list[Difference] = []
    for resampled in _resampled(cells, rng):
        figures += _figures(resampled, models)
        differences += _differences(resampled, models, models.index(candidate))
    return tuple(figures), tuple(_corrected(differences))


def _resampled(cells: Sequence[Cell], rng: np.random.Generator) -> Iterator[Resampled]:
    """Each cell, and after the cells of a task and segment their mean over the windows."""
    everyone = np.unique(np.concatenate([cell.subjects for cell in cells]))
    groups = [(np.searchsorted(everyone, cell.subjects), cell.values.reshape(len(cell.values), -1)) for cell in cells]
    of_cells = []
    for cell, drawn in zip(cells, resampled_means(groups, len(everyone), rng), strict=True):
        shape = cell.values.shape[1:]
        of_cells.append(
            Resampled(cell, cell.window, len(cell.subjects), cell.values.mean(axis=0), drawn.reshape(-1, *shape))
        )
    for task in TASKS:
        for segment in SEGMENTS:
            own = [one for one in of_cells if (one.cell.task, one.cell.segment) == (task, segment)]
            yield from own
            if own:
                yield _together(own)


def _together(own: Sequence[Resampled]) -> Resampled:
    """The mean over windows: each window weighs the same, however many came."""
    subjects = np.unique(np.concatenate([one.cell.subjects for one in own]))
    drawn = own[0].drawn if len(own) == 1 else _mean_of_known(np.stack([one.drawn for one in own]))
    return Resampled(own[0].cell, _ALL, len(subjects), np.mean([one.means for one in own], axis=0), drawn)


def _mean_of_known(drawn: Doubles) -> Doubles:
    """The mean over the first axis of what is known; a resample in which nobody was drawn at all stays unknown."""
    known = np.isfinite(drawn)
    counts = known.sum(axis=0).astype(np.float64)
    counts[counts == 0] = np.nan
    return np.asarray(np.where(known, drawn, 0).sum(axis=0) / counts, np.float64)


def _figures(resampled: Resampled, models: Sequence[str]) -> Iterator[Figure]:
    given = iter(estimates(resampled.means, resampled.drawn))
    for model in models:
        for metric in resampled.cell.metrics:
            yield Figure(
                window=resampled.window,
                task=resampled.cell.task,
                segment=resampled.cell.segment,
                model=model,
                metric=metric,
                subjects=resampled.subjects,
                estimate=next(given),
            )


def _differences(resampled: Resampled, models: Sequence[str], own: int) -> Iterator[Difference]:
    """The candidate minus each baseline, not corrected yet."""
    means, drawn = (values[..., own : own + 1, :] - values for values in (resampled.means, resampled.drawn))
    given = iter(estimates(means, drawn))
    p = iter(p_values(drawn.reshape(len(drawn), -1)).tolist())
    for model, of_baseline in zip(models, resampled.means.tolist(), strict=True):
        for metric, mean in zip(resampled.cell.metrics, of_baseline, strict=True):
            estimate, chance = next(given), next(p)
            if model != models[own]:
                yield Difference(
                    window=resampled.window,
                    task=resampled.cell.task,
                    segment=resampled.cell.segment,
                    baseline=model,
                    metric=metric,
                    subjects=resampled.subjects,
                    estimate=estimate,
                    relative=estimate.mean / abs(mean) if mean else None,
                    p=chance,
                    holm=chance,
                )


def _corrected(differences: Sequence[Difference]) -> list[Difference]:
    """The same with Holm's correction over all that was looked at together: each baseline at each task."""
    families: dict[tuple[str | None, str, str], list[int]] = {}
    for number, difference in enumerate(differences):
        families.setdefault((difference.window, difference.segment, difference.metric), []).append(number)
    corrected: NDArray[np.float64] = np.ones(len(differences))
    for members in families.values():
        corrected[members] = holm(np.array([differences[number].p for number in members]))
    return [
        msgspec.structs.replace(difference, holm=value)
        for difference, value in zip(differences, corrected.tolist(), strict=True)
    ]
