"""A ridge-penalised logistic regression: the attacker of `leakage`. The core needs no library that trains.

    minimise over b, w:  Σ log(1 + exp(-y (b + x·w))) + λ/2 |w|²,  y = ±1

by Newton's method (iteratively reweighted least squares: Hastie, Tibshirani, Friedman, The Elements of Statistical
Learning, 4.4), from the solution for the λ before.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

_STEPS: Final = 30
_CLOSE: Final = 1e-4  # of the largest change of a coefficient
_LEAST: Final = 1e-6  # weight of a row: keeps Newton's step finite where the fit is certain


def fit_path(
    features: NDArray[np.float64], positive: NDArray[np.bool_], penalties: Sequence[float]
) -> list[NDArray[np.float64]]:
    """The coefficients for each λ, the intercept first: float64 [1 + F].

    Args:
        features: float64 [N, F], of about unit scale.
        positive: bool [N].
        penalties: The λs, in the order in which they are to be solved: from strong to weak is fastest.
    """
    design = np.column_stack([np.ones(len(features)), features])
    coefficients = np.zeros(design.shape[1])
    found = []
    for penalty in penalties:
        coefficients = _solve(design, positive.astype(np.float64), penalty, coefficients)
        found.append(coefficients)
    return found


def predict(features: NDArray[np.float64], coefficients: NDArray[np.float64]) -> NDArray[np.float64]:
    """The log odds of being positive, float64 [N]."""
    return np.asarray(coefficients[0] + features @ coefficients[1:], np.float64)


def _solve(
    design: NDArray[np.float64], target: NDArray[np.float64], penalty: float, start: NDArray[np.float64]
) -> NDArray[np.float64]:
    ridge = np.full(design.shape[1], penalty)
    ridge[0] = 0
    current = start
    for _ in range(_STEPS):
        chance = 1 / (1 + np.exp(-np.clip(design @ current, -30, 30)))
        weight = np.maximum(chance * (1 - chance), _LEAST)
        curvature = design.T @ (design * weight[:, None]) + np.diag(ridge)
        change = np.linalg.solve(curvature, design.T @ (target - chance) - ridge * current)
        current = current + change
        if np.abs(change).max() < _CLOSE:
            break
    return current
