"""From a model to a bundle whose graph answers as it does: more solver steps, else the next model, else no ranker."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Final

import msgspec

from recsys.bundle import Bundle
from recsys.console import step
from recsys.errors import BundleError
from recsys.model_histories import ModelHistories
from training.graph.assemble import assemble
from training.parity import Native, agrees, parity

SOLVER_STEPS: Final = (8, 12, 16, 24)  # of conjugate gradient: more, where fewer do not reach the exact solution
_NO_RANKER: Final = "No graph answered as the ranker does: scores are the factorization's alone. Try another --seed"


@dataclass(frozen=True, slots=True)
class Draft:
    """A model that was learned, and the bundle that is to hold it.

    Args:
        bundle: Without a graph.
        native: The model.
        warnings: What whoever takes this one should know.
    """

    bundle: Bundle
    native: Native
    warnings: tuple[str, ...]

    @property
    def without_ranker(self) -> Draft:
        """The factorization alone."""
        return replace(self, native=replace(self.native, ranker=None), warnings=(*self.warnings, _NO_RANKER))


def agreeing(drafts: Iterable[Draft], histories: ModelHistories) -> Draft:
    """The first draft that a graph answers as, its bundle with that graph.

    Args:
        drafts: The best first. The next one is asked for, and learned, only where no graph answers as this one.
        histories: To try graphs on.

    Raises:
        BundleError: Not even folded-in scores agree.
    """
    figures, where = dict[str, float](), ""
    for draft in _in_turn(drafts):
        bundle, figures = graph_of(draft, histories)
        if bundle is not None:
            return replace(draft, bundle=bundle)
        where = str(draft.bundle.path)
    found = ", ".join(f"{name} {figure:.1e}" for name, figure in figures.items() if "difference" in name)
    raise BundleError(
        f"the graph differs from the model ({found}); nothing was written",
        where=where,
        mend="Report this, with the figures",
    )


def graph_of(draft: Draft, histories: ModelHistories) -> tuple[Bundle | None, dict[str, float]]:
    """The draft's bundle with a graph that answers as the very model does, and how near it comes.

    Returns:
        The bundle, of as few solver steps as do; None where none does. The figures of the last graph that was tried.
    """
    figures = dict[str, float]()
    with step("Building the graph and holding it against the model"):
        for steps in SOLVER_STEPS:
            bundle = replace(draft.bundle, model=assemble(draft.native.lens, draft.native.ranker, steps=steps))
            figures = parity(bundle, draft.native, histories)
            if agrees(figures):
                return _told(bundle, draft.native, steps, figures), figures
    return None, figures


def kind(native: Native) -> str:
    """What a manifest calls the ranker."""
    return "none" if native.ranker is None else "mlp"


def _in_turn(drafts: Iterable[Draft]) -> Iterator[Draft]:
    """All as they are; then, in the same order, without a ranker those that have one."""
    tried = []
    for draft in drafts:
        yield draft
        tried.append(draft)
    yield from (draft.without_ranker for draft in tried if draft.native.ranker is not None)


def _told(bundle: Bundle, native: Native, steps: int, figures: dict[str, float]) -> Bundle:
    """The same bundle; its manifest says how the graph came about."""
    configuration = bundle.manifest.configuration | {"solver_steps": steps, "ranker": kind(native)}
    return replace(
        bundle, manifest=msgspec.structs.replace(bundle.manifest, configuration=configuration, parity=figures)
    )
