"""What scikit-learn's estimators refuse, ours refuse too, by the same means: `ValueError`, and `NotFittedError`."""

from __future__ import annotations

import math
from collections.abc import Mapping
from numbers import Integral, Real

import numpy as np
from scipy import sparse
from sklearn.utils.validation import check_array


def checked_counts(
    given: sparse.csr_matrix, dtype: type[np.floating], *, items: int | None = None
) -> sparse.csr_matrix:
    """A copy of counts of purchase days, each pair of subject and item once, without zeros.

    Args:
        given: [subjects, items]; sparse or dense.
        dtype: Of the copy.
        items: How many there have to be; None: as many as there are, and they are to be learned from.

    Raises:
        ValueError: They are negative, no numbers, or of other items; or there is nothing to learn from.
    """
    learning = items is None
    counts = check_array(given, accept_sparse="csr", dtype=dtype, copy=True, ensure_min_samples=int(learning))
    counts = sparse.csr_matrix(counts)
    if counts.nnz and counts.data.min() < 0:
        raise ValueError("counts of purchase days are negative: net returns first")
    if items is not None and counts.shape[1] != items:
        raise ValueError(f"counts are of {counts.shape[1]} items, the model is of {items}")
    counts.sum_duplicates()
    counts.eliminate_zeros()
    if learning and not counts.nnz:
        raise ValueError("nothing was bought: there is nothing to learn from")
    return counts


def check_sizes(sizes: Mapping[str, object]) -> None:
    """Refuse numbers of things that are not whole, or not one at least.

    Args:
        sizes: By name.

    Raises:
        ValueError: One of them is none.
    """
    for name, value in sizes.items():
        if isinstance(value, bool) or not isinstance(value, Integral) or value < 1:
            raise ValueError(f"{name} is {value!r}; it has to be a whole number, 1 at least")


def check_parameters(least: Mapping[str, tuple[float, float]], *, above: Mapping[str, float] | None = None) -> None:
    """Refuse parameters that mean nothing.

    Args:
        least: By name, the value and the least that it may be.
        above: By name, a value that has to be above zero.

    Raises:
        ValueError: One of them is too small, infinite or not a number.
    """
    for name, (value, bound) in least.items():
        if not _is_number(value) or not bound <= value < math.inf:
            raise ValueError(f"{name} is {value!r}; it has to be a number, {bound:g} at least")
    for name, value in (above or {}).items():
        if not _is_number(value) or not 0 < value < math.inf:
            raise ValueError(f"{name} is {value!r}; it has to be a number above zero")


def _is_number(value: object) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool)
