"""Seeded randomness, one stream for each purpose: what one part draws never shifts what another gets."""

from __future__ import annotations

import numpy as np


def stream(seed: int, purpose: str) -> np.random.Generator:
    """The generator of one purpose. The same seed and purpose, the same numbers."""
    return np.random.default_rng([seed, *purpose.encode()])
