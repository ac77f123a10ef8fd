"""Running a backtest: before each window everything is learned and chosen again, from nothing that is dated later."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import polars as pl

from recsys.bundle import Bundle
from recsys.console import step
from recsys.contracts.runs import RunModel, Runs, RunWindow, SplitKind
from recsys.errors import ContractError
from recsys.evaluation.assembling import Assembly
from recsys.evaluation.bundle_runs import bundle_scores
from recsys.evaluation.comparison import K, listed
from recsys.evaluation.contenders import TRIALS, UNLEARNED
from recsys.evaluation.runs import RunSet
from recsys.evaluation.source import Source
from recsys.evaluation.splits import Split, Window, compact, split_at
from recsys.history import ItemIndex
from recsys.scorer import Scorer
from training.backtest.learned import MOST_ITEMS, learned
from training.backtest.rolling import Rolling
from training.dataset import Learnable, Sources, read_learnable
from training.fit import Options, fit
from training.levels import LevelChoice
from training.profiles import Profile

RECIPE: Final = "recipe"  # the candidate's name among the models


@dataclass(frozen=True, slots=True)
class Backtest:
    """What is asked for.

    Args:
        sources: What to learn from.
        rolling: Which days are held out.
        split: What of them.
        level: What a model item is; decided once, before the earliest window.
        profile: How much work the recipe does.
        trials: How many settings each baseline may try before each window; the recipe tries what its profile says.
        seed: Of whatever is drawn.
    """

    sources: Sources
    rolling: Rolling = field(default_factory=Rolling)
    split: SplitKind = SplitKind.TIME
    level: LevelChoice = LevelChoice.AUTO
    profile: Profile = Profile.DEFAULT
    trials: int = TRIALS
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Made:
    """What came of it.

    Args:
        runs: The lists.
        warnings: What the person at the terminal should know.
    """

    runs: RunSet
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Recipe:
    """The recipe, fitted before a window: what its bundle would have listed is what is judged."""

    bundle: Bundle
    warnings: tuple[str, ...]

    @property
    def settings(self) -> str:
        return ", ".join(f"{name} {value}" for name, value in self.bundle.manifest.configuration.items())


def backtest(asked: Backtest, source: Source, *, today: dt.date) -> Made:
    """Fit and list before each window.

    Args:
        asked: What is asked for.
        source: All purchases, as the judging will read them.
        today: Purchases after this day are refused.

    Raises:
        ContractError: The purchases do not reach that far back, or nobody came back in a window.
    """
    learnable = read_learnable(asked.sources, today=today)
    purchases = compact(learnable.purchases)
    windows = asked.rolling.over(*purchases.select(first=pl.col("day").min(), last=pl.col("day").max()).row(0))
    recipes = _recipes(asked, windows, learnable)
    items = max(len(recipe.bundle.vocabulary) for recipe in recipes)
    runs = Assembly(K, (*UNLEARNED, *learned(items, seed=asked.seed)), asked.trials)
    for number, (window, recipe) in enumerate(zip(windows, recipes, strict=True), start=1):
        _list(runs, asked, purchases, window, recipe, f"Window {number} of {len(windows)}: ")
    manifest = Runs(
        split=asked.split,
        k=K,
        level=recipes[0].bundle.manifest.level,
        purchases=source.fingerprint,
        domain=source.lineage.domain,
        epoch=source.lineage.epoch,
        seed=asked.seed,
        candidate=f"{RECIPE}, profile {asked.profile.value}",
        windows=windows,
        models=runs.models(_candidate(recipes, windows)),
        files={},
    )
    return Made(RunSet(manifest, runs.lists(), runs.vocabularies(), _item_map(recipes)), _warnings(recipes, items))


def _recipes(asked: Backtest, windows: Sequence[RunWindow], learnable: Learnable) -> list[_Recipe]:
    """The recipe, fitted before each window; all at the level that the earliest one chose."""
    recipes: list[_Recipe] = []
    for number, window in enumerate(windows, start=1):
        with step(f"Fitting the recipe before window {number} of {len(windows)}, {window.name}"):
            level = LevelChoice(recipes[0].bundle.manifest.level.value) if recipes else asked.level
            dataset = learnable.before(window.as_of)
        fitted = fit(dataset, Options(RECIPE, level, asked.profile, asked.seed))  # the search as it ships
        recipes.append(_Recipe(fitted.bundle, fitted.warnings))
    return recipes


def _list(
    runs: Assembly, asked: Backtest, purchases: pl.DataFrame, window: RunWindow, recipe: _Recipe, label: str
) -> None:
    """Every model's lists for a window."""
    split, validation = _splits(asked, purchases, window, recipe.bundle)
    vocabulary = recipe.bundle.vocabulary
    runs.add_window(window, vocabulary)
    own = listed(split, bundle_scores(Scorer(recipe.bundle), split), k=runs.k)
    runs.add_lists(RECIPE, window, split, vocabulary, own)
    for contender in runs.baselines:
        with step(f"{label}{contender.title} ({contender.name})"):
            runs.add_baseline(contender, window, split, validation, vocabulary)


def _splits(asked: Backtest, purchases: pl.DataFrame, window: RunWindow, bundle: Bundle) -> tuple[Split, Split]:
    """The window, and the one before it, on which settings are chosen."""
    index = ItemIndex.of(purchases["item"].cast(pl.String).unique().sort())
    codes = Scorer(bundle).codes(index)
    starts = (window.as_of, window.as_of - dt.timedelta(days=window.horizon))
    split, validation = (
        split_at(purchases, Window(start, window.horizon), index, codes, items=len(bundle.vocabulary), kind=asked.split)
        for start in starts
    )
    if not len(split.judged) or split.new.all():
        raise ContractError(
            f"nobody with a history bought anything in the {window.horizon} days from {window.as_of}",
            where="--purchases",
            mend="Ask for a longer --horizon, or another --as-of",
        )
    return split, validation


def _candidate(recipes: Sequence[_Recipe], windows: Sequence[RunWindow]) -> RunModel:
    return RunModel(
        name=RECIPE,
        role="candidate",
        title="this recipe",
        about="What `recsys-train fit` makes of the purchases before each window, with its own choice of settings.",
        learned=True,
        trials=max(len(recipe.bundle.manifest.trials) for recipe in recipes),
        settings={window.name: recipe.settings for window, recipe in zip(windows, recipes, strict=True)},
    )


def _item_map(recipes: Sequence[_Recipe]) -> pl.DataFrame | None:
    """Which item is which model item in any of the windows."""
    maps = [recipe.bundle.item_map for recipe in recipes if recipe.bundle.item_map is not None]
    return pl.concat(maps).unique("item", keep="last").sort("item").drop("part") if maps else None


def _warnings(recipes: Sequence[_Recipe], items: int) -> tuple[str, ...]:
    said = dict.fromkeys(warning for recipe in recipes for warning in recipe.warnings)
    if items > MOST_ITEMS:
        said[f"Item-kNN and EASE are left out: {items:,} items are too many for their dense matrix."] = None
    return tuple(said)
