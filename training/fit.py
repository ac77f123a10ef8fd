"""A fit: from purchases that may be learned from to a bundle that is ready to be sealed."""

from __future__ import annotations

import heapq
import platform
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from pathlib import Path
from typing import Final

import msgspec
import numpy as np
import polars as pl

from recsys.amounts import amount
from recsys.bundle import Bundle
from recsys.console import step
from recsys.contracts.manifest import Manifest
from recsys.errors import BundleError
from recsys.history import ItemIndex, day_number
from recsys.model_items import to_model_items
from recsys.statistics import statistics_of
from training.agreeing import Draft, agreeing, kind
from training.categories import categories_of
from training.dataset import Dataset
from training.levels import LevelChoice, ModelItemDays, to_level
from training.parity import Native
from training.parts import with_parts
from training.plan import Chosen, Search, Work, choose, judged, learn
from training.privacy import kept_private
from training.profiles import EFFORTS, MIN_BUYERS, Profile
from training.record import Record
from training.rounding import smaller
from training.settings import ItemTable, Settings
from training.snapshot import World
from training.unseen import unseen
from training.vocabulary import items_with_buyers
from training.windows import BLOCK, examples_of, idle_days, time_scale

_MUCH: Final = 2 / 3  # of what the factorization finds is left, or it is told
_NEXT: Final = 2  # trials that are learned, too, where no graph answers as the best one does
_LIBRARIES: Final = ("implicit", "numpy", "onnx", "onnxruntime", "polars", "scikit-learn", "scipy")


@dataclass(frozen=True, slots=True)
class Options:
    """What can be asked of a fit.

    Args:
        name: The bundle's name.
        level: What a model item is.
        profile: How much work to do.
        seed: The same data, seed and trials give the same bundle.
        search: How the settings are chosen.
        item_table: What factors are in the graph; None: what the settings say.
    """

    name: str
    level: LevelChoice = LevelChoice.AUTO
    profile: Profile = Profile.DEFAULT
    seed: int = 0
    search: Search = field(default_factory=Search)
    item_table: ItemTable | None = None


@dataclass(frozen=True, slots=True)
class Fitted:
    """What a fit made.

    Args:
        bundle: Its manifest has no version and no hashes yet; `training.export` adds them.
        warnings: What the person at the terminal should know.
    """

    bundle: Bundle
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Material:
    """What is learned from, counted."""

    days: ModelItemDays
    work: Work


def fit(dataset: Dataset, options: Options) -> Fitted:
    """Learn a bundle.

    Raises:
        ContractError: Too little is left to learn from.
        BundleError: No graph answers what the model answers.
    """
    with step("Counting purchase days"):
        material = prepared(dataset, options)
    work = material.work
    with step("Choosing settings") as tell:
        chosen = choose(work, options.search, tell)
    drafts = (_draft(dataset, options, material, each) for each in in_turn(chosen))
    histories = unseen(work.world.record, work.until)
    taken = agreeing(drafts, histories)
    if (options.item_table or chosen.settings.graph.item_table) is ItemTable.INT8:
        taken = smaller(taken, histories)
    return Fitted(taken.bundle, dataset.warnings + taken.warnings)


def prepared(dataset: Dataset, options: Options) -> Material:
    """Bring purchase days to model items, leave out those of too few buyers, and lay them out."""
    until = day_number(dataset.lineage.until)
    days = to_level(dataset.daily, dataset.catalogue, options.level, min_buyers=MIN_BUYERS)
    vocabulary = items_with_buyers(days.daily, min_buyers=MIN_BUYERS)
    returned = to_model_items(dataset.bought.returned, days.item_map)
    categories = categories_of(vocabulary, dataset.catalogue, days.level)
    record = Record.of(days.daily, vocabulary, categories, returned)
    world = World.of(record, time_scale(record, until), MIN_BUYERS)
    return Material(days, Work(world, examples_of(record, until), until, EFFORTS[options.profile], options.seed))


def in_turn(chosen: Chosen) -> Iterator[Chosen]:
    """What was chosen; then, for where no graph answers as the model does, the next best trials."""
    yield chosen
    others = [trial for trial in chosen.trials if trial.settings != chosen.settings.factorization]
    for place, trial in enumerate(heapq.nlargest(_NEXT, others, key=lambda trial: trial.merit), start=2):
        warning = f"No graph answered as the model with better settings does: those of trial {place} by merit are taken"
        settings = msgspec.structs.replace(chosen.settings, factorization=trial.settings)
        yield replace(chosen, settings=settings, warnings=(*chosen.warnings, warning))


def _draft(dataset: Dataset, options: Options, material: Material, chosen: Chosen) -> Draft:
    """Learn a model with the settings that were chosen, regularised until it hides whom it was learned from."""
    work, record = material.work, material.work.world.record
    with step("Trying to tell who was learned from") as tell:
        private = kept_private(work, chosen.settings, tell)
        settings, metrics = private.settings, _metrics(work, chosen, private.settings)
    with step("Learning factors and ranker") as tell:
        native = learn(work, settings, tell)
    if not np.isfinite(native.lens.fold.item_factors).all():
        raise BundleError("the factorization did not converge", where=options.name, mend="Try another --seed")
    manifest = _manifest(dataset, options, material, replace(chosen, settings=settings), native)
    bundle = Bundle(
        path=Path(options.name),
        manifest=msgspec.structs.replace(manifest, metrics=metrics, privacy=manifest.privacy | private.figures),
        model=b"",
        vocabulary=record.vocabulary,
        item_map=_known(material.days.item_map, record.vocabulary, dataset),
        statistics=statistics_of(work.world.log, work.until, min_buyers=MIN_BUYERS),
        categories=record.categories,
    )
    paid = price_of_hiding(chosen, metrics)
    return Draft(bundle, native, chosen.warnings + private.warnings + paid + _warnings(material, native))


def _metrics(work: Work, chosen: Chosen, settings: Settings) -> dict[str, float]:
    """Of the settings that ship: the best trial's, or, where privacy changed them, judged once more."""
    if not chosen.trials:
        return {}
    known = {trial.settings: trial.quality for trial in chosen.trials}
    found = known.get(settings.factorization) or judged(work, settings)
    return {"factorization_mixed_ndcg": found.mixed, "factorization_novel_ndcg": found.novel}


def price_of_hiding(chosen: Chosen, metrics: Mapping[str, float]) -> tuple[str, ...]:
    """What it costs that members cannot be told, where that is much: of few people with long histories it may be."""
    best = {trial.settings: trial.quality.novel for trial in chosen.trials}.get(chosen.settings.factorization, 0.0)
    left = metrics.get("factorization_novel_ndcg", best)
    if left >= _MUCH * best:
        return ()
    warning = (
        f"Hiding who was learned from costs the factorization much of what it finds that is new to people: NDCG@10 is "
        f"{left:.3f}, and {best:.3f} without. Learn from more subjects, or at a coarser --level"
    )
    return (warning,)


def _manifest(dataset: Dataset, options: Options, material: Material, chosen: Chosen, native: Native) -> Manifest:
    record = material.work.world.record
    return Manifest(
        name=options.name,
        version="",
        level=material.days.level,
        min_buyers=MIN_BUYERS,
        data=msgspec.structs.replace(dataset.lineage, subjects=record.subjects),
        configuration=_configuration(chosen.settings, options, material, native) | _learners(chosen, material.work),
        seed=options.seed,
        parity={},
        metrics={},
        privacy={"min_buyers": float(MIN_BUYERS), "least_buyers": float(record.buyers(material.work.until).min())},
        libraries={"python": platform.python_version(), **{name: version(name) for name in _LIBRARIES}},
        files={},
        trials=tuple(msgspec.to_builtins(trial) for trial in chosen.trials),
    )


def _configuration(
    settings: Settings, options: Options, material: Material, native: Native
) -> dict[str, str | int | float | bool]:
    ranker = settings.ranker
    return {
        "profile": options.profile.value,
        **msgspec.to_builtins(settings.factorization),
        "regularization_effective": native.lens.fold.regularization,
        "time_scale_days": material.work.world.tau,
        "categories": native.lens.size,
        "ranker": kind(native),
        "hidden": " x ".join(map(str, ranker.hidden)),
        "seeds": ranker.seeds,
        "epochs": ranker.epochs,
        "resample": ranker.resample,
        "distilled": ranker.distilled,
    }


def _learners(chosen: Chosen, work: Work) -> dict[str, int]:
    """How many people's factors the trials' quality is of, where not everyone's."""
    most = work.effort.people
    return {} if most is None or work.world.record.subjects <= most or not chosen.trials else {"trial_people": most}


def _known(item_map: pl.DataFrame | None, vocabulary: ItemIndex, dataset: Dataset) -> pl.DataFrame | None:
    """What of the map leads to a model item of the bundle, and which part of it each item is."""
    if item_map is None:
        return None
    known = item_map.filter(pl.col("model_item").is_in(vocabulary.names))
    return with_parts(known, dataset.daily, until=dataset.lineage.until, min_buyers=MIN_BUYERS)


def _warnings(material: Material, native: Native) -> tuple[str, ...]:
    warnings, days, work = [], material.days, material.work
    if days.left_out:
        warnings.append(
            f"{amount(days.left_out, 'item that was bought has', 'items that were bought have')} no category in the "
            "catalogue: nothing is learned from that"
        )
    idle = idle_days(work.world.record, work.until)
    if idle >= BLOCK:
        warnings.append(
            f"Hardly anything was bought in the last {idle} days before --until: settings and ranker are learned from "
            "what lies before them. Give a day soon after the last purchases; look for rows that are dated too late"
        )
    if native.ranker is None:
        warnings.append(
            "People who came back bought too little to learn a ranking from: scores are the factorization's alone. "
            "Give purchases of a longer time or of more people"
        )
    return tuple(warnings)
