"""Learned baselines, in scikit-learn's manner: item-kNN and EASE. Both score by what lies near a person's purchases.

Sources: B. Sarwar et al., "Item-based collaborative filtering recommendation algorithms" (WWW 2001); H. Steck,
"Embarrassingly shallow autoencoders for sparse data" (WWW 2019).
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from training.checking import check_parameters, check_sizes, checked_counts
from training.factorize import Transform

_TINY: Final = np.finfo(np.float64).tiny  # what nobody bought is near to nothing


class _ItemToItem(BaseEstimator):  # type: ignore[misc] # scikit-learn ships no types
    """Scores are purchases times a matrix of items by items, `weights_`."""

    weights_: NDArray[np.float64]
    transform: Transform | str

    def predict(self, X: sparse.csr_matrix) -> NDArray[np.float64]:  # noqa: N803 - scikit-learn's name
        """float64 [subjects, items]: the scores of all items, for purchase days as CSR [subjects, items].

        Raises:
            NotFittedError: Nothing was learned yet.
            ValueError: Counts mean nothing, or are of other items.
        """
        check_is_fitted(self)
        return np.asarray(self._weighed(X, items=len(self.weights_)) @ self.weights_, np.float64)

    def _weighed(self, counts: sparse.csr_matrix, *, items: int | None = None) -> sparse.csr_matrix:
        weighed = checked_counts(counts, np.float64, items=items)
        weighed.data = Transform(self.transform)(weighed.data)
        return weighed


class ItemKNN(_ItemToItem):
    """Cosine similarity of items, the nearest ones of each.

    Args:
        neighbours: How many items near a purchase get a share of it.
        shrink: Added to the product of norms: what was bought by few is near to nothing.
        transform: What becomes of a count of purchase days.
    """

    def __init__(
        self, neighbours: int = 100, *, shrink: float = 10.0, transform: Transform | str = Transform.LOG1P
    ) -> None:
        self.neighbours = neighbours
        self.shrink = shrink
        self.transform = transform

    def fit(self, X: sparse.csr_matrix, y: None = None) -> ItemKNN:  # noqa: ARG002, N803 - scikit-learn's names
        """Learn from counts of purchase days, CSR [subjects, items].

        Raises:
            ValueError: Counts or parameters mean nothing.
        """
        check_sizes({"neighbours": self.neighbours})
        check_parameters({"shrink": (self.shrink, 0.0)})
        weighed = self._weighed(X)
        self.n_features_in_ = weighed.shape[1]
        norms = np.sqrt(np.asarray(weighed.multiply(weighed).sum(axis=0)).ravel())
        near = (weighed.T @ weighed).toarray() / np.maximum(np.outer(norms, norms) + self.shrink, _TINY)
        np.fill_diagonal(near, 0)
        kept = min(self.neighbours, len(near))
        least = -np.partition(-near, kept - 1, axis=1)[:, kept - 1 : kept]
        self.weights_ = np.where(near >= least, near, 0)
        return self


class EASE(_ItemToItem):
    """The best linear prediction of a person's purchases from their other purchases, in closed form.

    Args:
        regularization: How strongly weights are held down.
        transform: What becomes of a count of purchase days.
    """

    def __init__(self, regularization: float = 500.0, *, transform: Transform | str = Transform.LOG1P) -> None:
        self.regularization = regularization
        self.transform = transform

    def fit(self, X: sparse.csr_matrix, y: None = None) -> EASE:  # noqa: ARG002, N803 - scikit-learn's names
        """Learn from counts of purchase days, CSR [subjects, items]: a dense matrix of items by items is inverted.

        Raises:
            ValueError: Counts or parameters mean nothing.
        """
        check_parameters({}, above={"regularization": self.regularization})
        weighed = self._weighed(X)
        self.n_features_in_ = weighed.shape[1]
        gram = (weighed.T @ weighed).toarray()
        inverse = np.linalg.inv(gram + self.regularization * np.eye(len(gram)))
        self.weights_ = -inverse / np.diag(inverse)
        np.fill_diagonal(self.weights_, 0)
        return self
