"""Reasons: the addends of an offer's score, in plain sentences. They sum to the score; nothing sensitive is named."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from recsys.contracts.catalogue import split_path
from recsys.contracts.decision import Reason
from recsys.contracts.manifest import Level
from recsys.history import ItemIndex
from recsys.offer_book import OfferBook

_NAMED: Final = 2  # past purchases named for an offer; the rest is one addend


@dataclass(frozen=True, slots=True)
class Names:
    """What model items are called in a reason; None for those that must not be named."""

    labels: tuple[str | None, ...]

    @classmethod
    def of(cls, book: OfferBook, codes: NDArray[np.int32], vocabulary: ItemIndex, level: Level) -> Names:
        """Label each model item, unless one of its items is in a group of the policy or cannot be placed."""
        hidden = np.ones(len(vocabulary), np.bool_)
        hidden[codes[(codes >= 0) & book.nameable]] = False
        hidden[codes[(codes >= 0) & ~book.nameable]] = True
        if level is Level.TYPE:
            texts = [split_path(name)[-1].lower() for name in vocabulary.names]
        else:
            titles = dict(book.catalogue.select("item", "title").iter_rows())
            texts = [titles.get(name, name) for name in vocabulary.names]
        return cls(tuple(None if gone else text for gone, text in zip(hidden.tolist(), texts, strict=True)))


def personal_reasons(
    scored: tuple[float, float, bool], items: NDArray[np.int64], contributions: NDArray[np.float32], names: Names
) -> tuple[Reason, ...]:
    """The reasons for one offer of a personal list.

    Args:
        scored: The offer's score; its coverage by the history, zero or more; whether all of its items may be named:
            "you buy what this offer covers" names them.
        items: int64 [L], the history's model items; padding lies outside the vocabulary.
        contributions: float32 [L], what each adds to the score of the offer's best model item.
        names: What may be called by name.
    """
    reasons: list[Reason] = []
    score, covered, nameable = scored
    left = score
    if covered > 0 and nameable:
        addend = float(np.log1p(covered))
        reasons.append(Reason(code="bought", text="because you buy what this offer covers", contribution=addend))
        left -= addend
    for position in np.argsort(-contributions, kind="stable"):
        if sum(reason.code == "related" for reason in reasons) == _NAMED or contributions[position] <= 0:
            break
        label = names.labels[items[position]] if items[position] < len(names.labels) else None
        if label is not None:
            addend = float(contributions[position])
            reasons.append(Reason(code="related", text=f"because you buy {label}", contribution=addend))
            left -= addend
    return (*reasons, Reason(code="other", text="because of everything else you buy", contribution=left))


def segment_reasons(score: float) -> tuple[Reason, ...]:
    """The reasons for an offer that matches a declared interest; which one is not repeated."""
    return (
        Reason(code="interest", text="because it matches an interest that you declared", contribution=1.0),
        Reason(code="popular", text="because many people buy it", contribution=score - 1.0),
    )


def with_boost(reasons: tuple[Reason, ...], score: float, before: float) -> tuple[Reason, ...]:
    """The reasons of a score `before` the boost, as those of the score after it."""
    if score == before:
        return reasons
    return (*reasons, Reason(code="boost", text="because the shop features it", contribution=score - before))


def popular_reasons(score: float) -> tuple[Reason, ...]:
    """The reason for an offer of a list that is not personal."""
    return (Reason(code="popular", text="because many people buy it", contribution=score),)
