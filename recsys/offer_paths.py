"""The category paths of the offers, for everything that asks which offers are of one kind."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from recsys.contracts.catalogue import path_parts
from recsys.policy.placement import paths_by_run
from recsys.ragged import Ragged

_NONE = np.empty(0, np.int64)


@dataclass(frozen=True, slots=True)
class OfferKeys:
    """What offers have in common, by number.

    Args:
        codes: The number of each key.
        of_offer: For each offer, its keys.
        offers: Key to offers.
        widest: The most offers that share a key.
        depth: Where keys are the first parts of category paths, how many of them.
        of_text: Where keys are such parts, that of each category of the catalogue, None for one that no offer has.
    """

    codes: Mapping[Hashable, int]
    of_offer: tuple[tuple[int, ...], ...]
    offers: Ragged
    widest: int
    depth: int = 0
    of_text: Mapping[str, int | None] = field(default_factory=dict)

    @classmethod
    def of(cls, rows: Sequence[Sequence[Hashable]]) -> OfferKeys:
        """Number the keys of each offer, each once an offer."""
        codes: dict[Hashable, int] = {}
        of_offer = tuple(tuple(codes.setdefault(key, len(codes)) for key in dict.fromkeys(row)) for row in rows)
        offers = Ragged.of(of_offer).transposed(len(codes))
        return cls(codes, of_offer, offers, int(offers.lengths.max(initial=0)))

    def of_category(self, text: str) -> int | None:
        """The key of a category path as somebody wrote it down, today's or one that is gone."""
        if text in self.of_text:
            return self.of_text[text]
        return self.codes.get(path_parts(text)[: self.depth])


@dataclass(frozen=True, slots=True)
class OfferPaths:
    """The paths of O offers, in the form in which they are compared.

    Args:
        parts: The path of each category, as the catalogue spells it.
        of_offer: For each offer, the distinct paths of its items, in the order of the items.
        runs: Offers with a path in which these parts stand next to each other.
    """

    parts: Mapping[str, tuple[str, ...]]
    of_offer: tuple[tuple[tuple[str, ...], ...], ...]
    runs: Mapping[tuple[str, ...], NDArray[np.int64]]

    @classmethod
    def of(cls, rows: Sequence[Sequence[tuple[str, ...]]], parts: Mapping[str, tuple[str, ...]]) -> OfferPaths:
        """Index the paths of each offer; `parts` as above."""
        of_offer = tuple(tuple(dict.fromkeys(row)) for row in rows)
        keys = OfferKeys.of(of_offer)
        return cls(
            parts,
            of_offer,
            {
                run: np.unique(np.concatenate([keys.offers.row(keys.codes[path]) for path in paths]))
                for run, paths in paths_by_run(path for path in keys.codes if isinstance(path, tuple)).items()
            },
        )

    def with_run(self, parts: tuple[str, ...]) -> NDArray[np.int64]:
        """Offers of a category, named by any of its parts that stand next to each other."""
        return self.runs.get(parts, _NONE)

    def prefixes(self, depth: int) -> OfferKeys:
        """Offers by the first `depth` parts of their paths."""
        keys = OfferKeys.of([[path[:depth] for path in row] for row in self.of_offer])
        of_text = {text: keys.codes.get(path[:depth]) for text, path in self.parts.items()}
        return replace(keys, depth=depth, of_text=of_text)
