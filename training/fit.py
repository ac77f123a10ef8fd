"""A fit: from purchases that may be learned from to a bundle that is ready to be sealed."""

from __future__ import annotations

import platform
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Final

import msgspec
import numpy as np
import polars as pl

from recsys.bundle import Bundle
from recsys.console import step
from recsys.contracts.manifest import Manifest
from recsys.errors import BundleError
from recsys.statistics import item_statistics
from training.dataset import Dataset
from training.factorize import Factorization
from training.graph.assemble import assemble
from training.graph.reference import FoldIn
from training.levels import LevelChoice, ModelItemDays, to_level
from training.matrix import PurchaseMatrix, purchase_matrix
from training.parity import agrees, parity
from training.profiles import MIN_BUYERS, Profile, factorization

SOLVER_STEPS: Final = (8, 12, 16)  # of conjugate gradient: more, where fewer do not reach the exact solution
_LIBRARIES: Final = ("implicit", "numpy", "onnx", "onnxruntime", "polars", "scikit-learn", "scipy")


@dataclass(frozen=True, slots=True)
class Options:
    """What can be asked of a fit.

    Args:
        name: The bundle's name.
        level: What a model item is.
        profile: How much work to do.
        seed: The same data and seed give the same bundle.
    """

    name: str
    level: LevelChoice = LevelChoice.AUTO
    profile: Profile = Profile.DEFAULT
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Fitted:
    """What a fit made.

    Args:
        bundle: Its manifest has no version and no hashes yet; `training.export` adds them.
        warnings: What the person at the terminal should know.
    """

    bundle: Bundle
    warnings: tuple[str, ...]


def fit(dataset: Dataset, options: Options) -> Fitted:
    """Learn a bundle.

    Raises:
        ContractError: Too little is left to learn from.
        BundleError: The graph does not answer what the exact solution answers.
    """
    with step("Counting purchase days"):
        days = to_level(dataset.daily, dataset.catalogue, options.level, min_buyers=MIN_BUYERS)
        matrix = purchase_matrix(days.daily, min_buyers=MIN_BUYERS)
        statistics = item_statistics(days.daily, as_of=dataset.lineage.until, min_buyers=MIN_BUYERS)
    with step("Factorizing"):
        model = factorization(options.profile, seed=options.seed).fit(matrix.counts)
    if not np.isfinite(model.item_factors_).all():
        raise BundleError("the factorization did not converge", where=options.name, mend="Try another --seed")
    draft = Bundle(
        path=Path(options.name),
        manifest=_manifest(dataset, options, days, matrix, model),
        model=b"",
        vocabulary=matrix.vocabulary,
        item_map=_known(days.item_map, matrix),
        statistics=statistics,
    )
    with step("Building the graph and holding it against the exact solution"):
        bundle = _with_graph(draft, FoldIn.of(model, matrix.counts), matrix)
    return Fitted(bundle, dataset.warnings + _left_out(days))


def _with_graph(draft: Bundle, fold: FoldIn, matrix: PurchaseMatrix) -> Bundle:
    figures: dict[str, float] = {}
    for steps in SOLVER_STEPS:
        bundle = replace(draft, model=assemble(fold, steps=steps))
        figures = parity(bundle, fold, matrix.counts)
        if agrees(figures):
            configuration = draft.manifest.configuration | {"solver_steps": steps}
            manifest = msgspec.structs.replace(draft.manifest, configuration=configuration, parity=figures)
            return replace(bundle, manifest=manifest)
    found = ", ".join(f"{name} {figure:.1e}" for name, figure in figures.items() if "difference" in name)
    raise BundleError(
        f"the graph differs from the exact solution ({found}); nothing was written",
        where=str(draft.path),
        mend="Report this, with the figures",
    )


def _manifest(
    dataset: Dataset, options: Options, days: ModelItemDays, matrix: PurchaseMatrix, model: Factorization
) -> Manifest:
    return Manifest(
        name=options.name,
        version="",
        level=days.level,
        min_buyers=MIN_BUYERS,
        data=msgspec.structs.replace(dataset.lineage, subjects=matrix.counts.shape[0]),
        configuration={
            "profile": options.profile.value,
            "factors": model.factors,
            "regularization": model.regularization,
            "regularization_effective": model.regularization_,
            "alpha": model.alpha,
            "transform": str(model.transform),
            "iterations": model.iterations,
        },
        seed=options.seed,
        parity={},
        metrics={},
        privacy={"min_buyers": float(MIN_BUYERS), "least_buyers": float(matrix.least_buyers)},
        libraries={"python": platform.python_version(), **{name: version(name) for name in _LIBRARIES}},
        files={},
    )


def _known(item_map: pl.DataFrame | None, matrix: PurchaseMatrix) -> pl.DataFrame | None:
    """The part of the map that leads to a model item of the bundle."""
    if item_map is None:
        return None
    return item_map.filter(pl.col("model_item").is_in(matrix.vocabulary.names))


def _left_out(days: ModelItemDays) -> tuple[str, ...]:
    if not days.left_out:
        return ()
    return (f"{days.left_out} items that were bought have no category in the catalogue; they are not learned from",)
