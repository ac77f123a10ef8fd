"""Reasons: the addends of an offer's score, in plain sentences. They sum to the score; nothing sensitive is named."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
from numpy.typing import NDArray

from recsys.contracts.catalogue import PATH_SEPARATOR, category_titles, plain_name, split_path
from recsys.contracts.decision import Reason
from recsys.contracts.manifest import Level
from recsys.history import ItemIndex
from recsys.offer_book import OfferBook

Named = list[tuple[str, float]]  # sentences, and what each adds

_NAMED: Final = 2  # past purchases named for an offer; the rest is one addend


@dataclass(frozen=True)
class Names:
    """What model items are called in a reason; None for those that must not be named."""

    labels: tuple[str | None, ...]

    @cached_property
    def nameable(self) -> NDArray[np.bool_]:
        """Which may be named, as bool [M + 1]; the last stands for padding, which has no name."""
        return np.array([*(label is not None for label in self.labels), False], np.bool_)

    @classmethod
    def of(cls, book: OfferBook, codes: NDArray[np.int32], vocabulary: ItemIndex, level: Level) -> Names:
        """Label each model item, unless one of its items is in a group of the policy or cannot be placed."""
        hidden = np.ones(len(vocabulary), np.bool_)
        hidden[codes[(codes >= 0) & book.nameable]] = False
        hidden[codes[(codes >= 0) & ~book.nameable]] = True
        if level is Level.TYPE:
            titles = {
                PATH_SEPARATOR.join(split_path(path)): text for path, text in category_titles(book.catalogue).items()
            }
            texts = [titles.get(name) or plain_name(name) for name in vocabulary.names]
        else:
            titles = dict(book.catalogue.select("item", "title").iter_rows())
            texts = [titles.get(name, name) for name in vocabulary.names]
        return cls(tuple(None if gone else text for gone, text in zip(hidden.tolist(), texts, strict=True)))


def most_telling(items: NDArray[np.int64], addends: NDArray[np.float32], names: Names) -> list[Named]:
    """For each of A scores, what of the history adds most to it and may be named: its name, and what it adds.

    Two things of the same name are named once, with what both add.

    Args:
        items: int64 [L], the history's model items; padding lies outside the vocabulary.
        addends: float32 [A, L], what each adds to each score.
        names: What may be called by name.
    """
    nameable = names.nameable[np.minimum(items, len(names.labels))]
    left = np.where(nameable, addends, np.float32(0))
    found: list[dict[str, float]] = [{} for _ in left]
    rows = np.arange(len(left))
    for _ in range(min(_NAMED, len(items))):
        best = left.argmax(axis=1)
        for named, item, addend in zip(found, items[best].tolist(), left[rows, best].tolist(), strict=True):
            if addend > 0:
                sentence = f"because you buy {names.labels[item]}"
                named[sentence] = named.get(sentence, 0.0) + addend
        left[rows, best] = 0
    return [[*named.items()] for named in found]


def personal_reasons(score: float, covered: float, named: Iterable[tuple[str, float]]) -> tuple[Reason, ...]:
    """The reasons for one offer of a personal list.

    Args:
        score: The offer's.
        covered: What the history's coverage of the offer adds to it; zero too where not all of the offer's items may be
            named: "you buy what this offer covers" names them.
        named: Further addends, each with its sentence.
    """
    reasons: list[Reason] = []
    left = score
    if covered > 0:
        reasons.append(Reason(code="bought", text="because you buy what this offer covers", contribution=covered))
        left -= covered
    for text, addend in named:
        reasons.append(Reason(code="related", text=text, contribution=addend))
        left -= addend
    rest = "because of everything else you buy" if left >= 0 else "everything else you buy speaks for other offers"
    return (*reasons, Reason(code="other", text=rest, contribution=left))


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
    text = "because the shop features it" if score > before else "the shop features other offers"
    return (*reasons, Reason(code="boost", text=text, contribution=score - before))


def popular_reasons(score: float) -> tuple[Reason, ...]:
    """The reason for an offer of a list that is not personal."""
    return (Reason(code="popular", text="because many people buy it", contribution=score),)
