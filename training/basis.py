"""What the trials of a search depend on, as one hash: trials of anything else are not taken for it."""

from __future__ import annotations

import hashlib
from importlib.metadata import version
from typing import Final

import numpy as np

from training.snapshot import World
from training.windows import Examples

_RECIPE: Final = 2  # raised when the same settings, purchases and seed come to something else
_LIBRARIES: Final = ("implicit", "numpy", "scipy")


def basis_of(world: World, examples: Examples, seed: int, learners: int | None) -> str:
    """Of the purchase days as they are used, the examples that judge, the seed, the recipe, how many are learned from.

    Whatever leads to other days or examples (catalogue, level, consents, policy, `--until`, profile) is another basis;
    tokens and names of items are not in it.
    """
    record, targets = world.record, examples.targets
    numbers = (_RECIPE, *map(version, _LIBRARIES), seed, world.tau, world.min_buyers, examples.start, learners)
    digest = hashlib.sha256(repr((*numbers, len(record.vocabulary))).encode())
    spans = () if record.span is None else (record.span.since, record.span.taken)
    arrays = (record.offsets, record.item, record.day, record.quantity, *spans)
    asked = (examples.subject, examples.day, targets.owners, targets.values)
    for array in (*arrays, *asked, examples.known):
        if array is None:
            continue
        digest.update(repr((array.dtype.str, array.shape)).encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()
