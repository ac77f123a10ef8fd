"""Picking figures out of a result."""

from __future__ import annotations

from recsys.contracts.runs import TASKS, Task
from recsys.evaluation.results import Difference, Figure, RankingResult
from recsys.evaluation.segments import Segment


def tasks(result: RankingResult) -> list[Task]:
    """The tasks that somebody could be judged on."""
    judged = {figure.task for figure in result.figures if figure.segment == "all"}
    return [task for task in TASKS if task in judged]


def figures(result: RankingResult, task: Task, metric: str = "ndcg", segment: Segment = "all") -> list[Figure]:
    """The mean over the windows of each model, in the order of the models."""
    wanted = (None, task, segment, metric)
    return [f for f in result.figures if (f.window, f.task, f.segment, f.metric) == wanted]


def differences(result: RankingResult, task: Task) -> list[Difference]:
    """The candidate's difference in NDCG to each baseline, the mean over the windows."""
    wanted = (None, task, "all", "ndcg")
    return [d for d in result.differences if (d.window, d.task, d.segment, d.metric) == wanted]


def strongest(result: RankingResult, task: Task) -> str:
    """The baseline with the highest NDCG, the mean over the windows."""
    of_baselines = [figure for figure in figures(result, task) if figure.model != result.run.name]
    return max(of_baselines, key=lambda figure: figure.estimate.mean).model


def against(result: RankingResult, task: Task, baseline: str) -> list[Difference]:
    """The candidate's differences in NDCG to one baseline, in every window and segment, the means last."""
    return [d for d in result.differences if (d.task, d.baseline, d.metric) == (task, baseline, "ndcg")]
