"""The baselines as contenders: each with the settings that may be tried, chosen on data before the window.

A baseline is strengthened where a recipe is not: it may have other settings at each task, whichever did best there.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from recsys.contracts.runs import Task
from recsys.evaluation.baselines import (
    Habit,
    by_habit,
    by_own_frequency,
    by_popularity,
    by_recent_popularity,
)
from recsys.evaluation.comparison import Listed, Scores, listed, mean_ndcg
from recsys.evaluation.splits import Split

TRIALS: Final = 12  # settings of a baseline: the same budget for each that has something to choose
_JUDGES: Final = 1_000  # subjects that a setting is tried on, evenly spread


@dataclass(frozen=True, slots=True)
class Contender:
    """A baseline.

    Args:
        name: Among the models.
        title: As a category manager would call it.
        about: One sentence: how it ranks.
        learned: Whether it takes more than counting.
        settings: What may be chosen, the usual one first; hashable, told by `str`.
        scores: Of a split's judged subjects, from what is known before the window (`everyone`) and from each one's own
            history (`judged`): nothing else of the split may be looked at.
    """

    name: str
    title: str
    about: str
    learned: bool
    settings: tuple[Hashable, ...]
    scores: Callable[[Split, Any], Scores]


@dataclass(frozen=True, slots=True)
class Ran:
    """What a contender listed for a window, and with which setting at each task."""

    lists: dict[Task, Listed]
    settings: dict[Task, str]


def run(contender: Contender, split: Split, validation: Split, *, k: int, trials: int = TRIALS) -> Ran:
    """Choose the settings on the validation split, and list for the split.

    Args:
        contender: Who.
        split: The window to list for.
        validation: A window that ends where the split's begins, or before.
        k: The length of a list.
        trials: How many settings may be tried.
    """
    chosen = choose(contender, validation, k=k, trials=trials)
    lists: dict[Task, Listed] = {}
    for setting in dict.fromkeys(chosen.values()):
        of_setting = listed(split, contender.scores(split, setting), k=k)
        lists |= {task: of_task for task, of_task in of_setting.items() if chosen[task] == setting}
    told = {task: str(setting) for task, setting in chosen.items() if len(contender.settings) > 1}
    return Ran({task: lists[task] for task in chosen if task in lists}, told)


def choose(contender: Contender, validation: Split, *, k: int, trials: int = TRIALS) -> dict[Task, Hashable]:
    """For each task the setting with the best mean NDCG, the earlier of equals; the first where nobody is judged."""
    tried: Sequence[Hashable] = contender.settings[:trials]
    chosen: dict[Task, Hashable] = {"mixed": tried[0], "repeat": tried[0], "novel": tried[0]}
    if len(tried) == 1:
        return chosen
    best: dict[Task, float] = {}
    judges = validation.thinned(_JUDGES)
    for setting in tried:
        for task, value in mean_ndcg(judges, contender.scores(judges, setting), k=k).items():
            if value > best.get(task, -1.0):
                chosen[task], best[task] = setting, value
    return chosen


def _habits(half_lives: Sequence[float], *, in_baskets: bool) -> tuple[Habit, ...]:
    priors = ((2.5, 8.0), (1.5, 84.0), (2.5, 30.0))
    return tuple(Habit(half_life, in_baskets, *prior) for half_life in half_lives for prior in priors)


NOTHING: Final = ("",)  # to choose

UNLEARNED: Final = (
    Contender(
        "popularity",
        "bestsellers",
        "What most customers had bought; the same list for everyone.",
        learned=False,
        settings=NOTHING,
        scores=lambda split, _: by_popularity(split),
    ),
    Contender(
        "recent-popularity",
        "bestsellers of late",
        "What is bought most these days; the same list for everyone.",
        learned=False,
        settings=(30.0, 8.0, 3.0, 1.0, 90.0),
        scores=by_recent_popularity,
    ),
    Contender(
        "own-frequency",
        "own favourites",
        "What this customer bought on most days; then what most customers buy.",
        learned=False,
        settings=NOTHING,
        scores=lambda split, _: by_own_frequency(split),
    ),
    Contender(
        "gp-pop",
        "own habit",
        "What this customer buys, lately counting more, then what sells these days (GP-Pop, decay in days).",
        learned=False,
        settings=_habits((84.0, 42.0, 168.0, 336.0), in_baskets=False),
        scores=by_habit,
    ),
    Contender(
        "gp-pop-baskets",
        "own habit, by visits",
        "As own habit, with age counted in the customer's own shopping days (GP-Pop, decay in baskets).",
        learned=False,
        settings=_habits((20.0, 10.0, 40.0, 5.0), in_baskets=True),
        scores=by_habit,
    ),
)
