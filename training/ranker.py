"""The ranker: small neural networks over the features, averaged over seeds, in scikit-learn's manner."""

from __future__ import annotations

import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit
from sklearn.base import BaseEstimator
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.utils.validation import check_array, check_is_fitted, check_random_state, check_X_y
from threadpoolctl import threadpool_limits

from training.checking import check_sizes

CLIP: Final = 12.0  # standard deviations
_LEARNING_RATE: Final = 5e-3  # of the first pass
_ODDS: Final = 12.0  # log odds that a distilled network is taught at most
_DECIDED: Final = 0.01  # how often it sees a row that the others are sure of; one that they are not, up to .25
TAUGHT: Final = 2  # passes of a distilled network for each of another's
_RARER: Final = 8.0  # times that what was not bought is drawn more rarely than it weighs
_AT_ONCE: Final = 100_000  # rows
_DECAY: Final = 1e-3  # how strongly large weights are held down
_MINIBATCH: Final = 4_096
_THREADS: Final = 2
_SEEDS: Final = 2**31 - 64  # below it any number, and some after it, seed a generator

Blending = Callable[[NDArray[np.float32], NDArray[np.float32]], NDArray[np.float32]]  # of log odds, given features


@dataclass(frozen=True, slots=True)
class Network:
    """Layers of a network: weights [in, out], biases [out], in double precision; ReLU between them."""

    weights: tuple[NDArray[np.floating], ...]
    biases: tuple[NDArray[np.floating], ...]

    @classmethod
    def of(cls, learned: MLPClassifier | MLPRegressor, *, shift: float = 0.0) -> Network:
        """Take it from scikit-learn, in double precision; `shift` is added to all that comes out."""
        weights = tuple(weight.astype(np.float64) for weight in learned.coefs_)
        *between, last = (bias.astype(np.float64) for bias in learned.intercepts_)
        return cls(weights, (*between, last + shift))

    def single(self) -> Network:
        """The same in single precision, twice as fast."""
        return Network(*(tuple(part.astype(np.float32) for part in parts) for parts in (self.weights, self.biases)))

    def __call__(self, inputs: NDArray[np.floating]) -> NDArray[np.floating]:
        """[P]: what comes out for [P, in]."""
        for weight, bias in zip(self.weights[:-1], self.biases[:-1], strict=True):
            inputs = np.maximum(inputs @ weight + bias, 0)
        return np.asarray((inputs @ self.weights[-1] + self.biases[-1])[:, 0])


class Ranker(BaseEstimator):  # type: ignore[misc] # scikit-learn ships no types
    """The chance that a candidate is bought next, from its features: standardised, clipped, through the networks' mean.

    Each epoch is one pass over a fresh resample of the rows; the learning rate falls as a cosine. Rows are drawn by
    weight, those of what was not bought `_RARER` times more rarely: nearly all rows are of them and teach little. It
    multiplies the odds by as much, which is taken back (King and Zeng, 2001: case-control sampling).

    Args:
        hidden: The sizes of the layers between.
        seeds: How many networks are averaged.
        epochs: Passes.
        resample: Rows of a pass.
        distilled: Whether one network is taught to answer as the mean of them does: it answers as fast as one.
        random_state: The same number gives the same networks; None: others every time.

    Attributes:
        mean_, scale_: float64 [features].
        networks_: The networks; they give log odds.
    """

    def __init__(
        self,
        hidden: tuple[int, ...] = (64, 32),
        *,
        seeds: int = 3,
        epochs: int = 12,
        resample: int = 300_000,
        distilled: bool = False,
        random_state: int | None = 0,
    ) -> None:
        self.hidden = hidden
        self.seeds = seeds
        self.epochs = epochs
        self.resample = resample
        self.distilled = distilled
        self.random_state = random_state

    def fit(
        self,
        X: NDArray[np.float32],  # noqa: N803 - scikit-learn's name
        y: NDArray[np.bool_],
        sample_weight: NDArray[np.float64] | None = None,
        progress: Callable[[], None] = lambda: None,
        blend: Blending | None = None,
    ) -> Ranker:
        """Learn from rows, float32 [P, features], bool [P], float64 [P].

        Args:
            X: What the rows look like.
            y: Which were bought.
            sample_weight: What each stands for; None: for itself.
            progress: Is told of each pass.
            blend: What a distilled network is taught instead of the networks' mean alone.

        Raises:
            ValueError: Rows, weights or parameters mean nothing.
        """
        X, y, sample_weight = self._checked(X, y, sample_weight)  # noqa: N806 - scikit-learn's name
        first = self.random_state
        if not isinstance(first, (int, np.integer)):
            first = int(check_random_state(first).randint(_SEEDS))
        self.mean_ = X.mean(axis=0, dtype=np.float64)  # over rows as drawn: weighted, habits would be outliers
        self.scale_ = _deviation(X, self.mean_)
        self.scale_[self.scale_ < 1e-6] = 1.0  # noqa: PLR2004 - a constant says nothing
        cumulated = np.cumsum(np.where(y, sample_weight, sample_weight / _RARER))
        with threadpool_limits(1), ThreadPoolExecutor(_THREADS) as pool:
            learned = [
                pool.submit(self._network, X, y, cumulated, (first + seed, progress)) for seed in range(self.seeds)
            ]
            self.networks_ = [network.result() for network in learned]
            if self.distilled:
                self.networks_ = [self._distilled(X, first, progress, blend)]
        return self

    def decision_function(self, X: NDArray[np.float32]) -> NDArray[np.float64]:  # noqa: N803 - scikit-learn's name
        """float64 [P]: the mean log odds.

        Raises:
            NotFittedError: Nothing was learned yet.
            ValueError: Rows are no numbers, or of other features.
        """
        check_is_fitted(self)
        rows = check_array(X, dtype=np.float64, ensure_min_samples=0)
        if rows.shape[1] != len(self.mean_):
            raise ValueError(f"rows have {rows.shape[1]} features, the model {len(self.mean_)}")
        inputs = self.standardised(rows)
        return np.asarray(np.mean([network(inputs) for network in self.networks_], axis=0), np.float64)

    def predict(self, X: NDArray[np.float32]) -> NDArray[np.float64]:  # noqa: N803 - scikit-learn's name
        """float64 [P]: the chance, between 0 and 1."""
        return np.asarray(expit(self.decision_function(X)), np.float64)

    def _checked(
        self,
        features: NDArray[np.float32],
        bought: NDArray[np.bool_],
        weight: NDArray[np.float64] | None,
    ) -> tuple[NDArray[np.float32], NDArray[np.bool_], NDArray[np.float64]]:
        """Rows, what was bought and weights, as they are where they mean something."""
        if not isinstance(self.hidden, (tuple, list)) or not self.hidden:
            raise ValueError(f"hidden is {self.hidden!r}; it has to be the sizes of the layers, one at least")
        layers = {f"hidden[{place}]": size for place, size in enumerate(self.hidden)}
        check_sizes({name: getattr(self, name) for name in ("seeds", "epochs", "resample")} | layers)
        features, bought = check_X_y(features, bought, dtype=np.float32)
        if not np.isin(bought, (0, 1)).all():
            raise ValueError("what was bought is true or false")
        weight = np.ones(len(bought)) if weight is None else np.asarray(weight)
        if weight.shape != bought.shape or not np.isfinite(weight).all() or weight.min() < 0 or not weight.any():
            raise ValueError("weights are one a row, none of them negative, and not all zero")
        return features, bought.astype(np.bool_, copy=False), weight

    def standardised(self, features: NDArray[np.floating]) -> NDArray[np.float64]:
        """Brought to mean 0 and spread 1, and clipped."""
        return np.asarray(np.clip((features - self.mean_) / self.scale_, -CLIP, CLIP), np.float64)

    def _network(
        self,
        features: NDArray[np.float32],
        bought: NDArray[np.bool_],
        cumulated: NDArray[np.float64],
        run: tuple[int, Callable[[], None]],
    ) -> Network:
        """Learn what was bought, from rows drawn by weight."""
        seed, progress = run
        rng = np.random.default_rng(seed)
        drawn = min(self.resample, 4 * len(bought))
        network = MLPClassifier(hidden_layer_sizes=self.hidden, **self._manner(seed, drawn))
        for epoch in range(self.epochs):
            rows = np.sort(np.searchsorted(cumulated, rng.random(drawn) * cumulated[-1]))
            rng.shuffle(rows)
            network.partial_fit(self._inputs(features, rows), bought[rows], classes=[False, True])
            _cool(network, (epoch + 1) / self.epochs)
            progress()
        return Network.of(network, shift=-math.log(_RARER))

    def _distilled(
        self, features: NDArray[np.float32], seed: int, progress: Callable[[], None], blend: Blending | None
    ) -> Network:
        """Learn what the networks answer on the mean, the more from a row the less they are sure of it.

        Their variance p(1 - p) is what an error in log odds weighs in the divergence from their chance p; rows as they
        were drawn are mostly things that nobody would buy, and the top of a list was blurred by them (ADR 20).
        """
        rng = np.random.default_rng(seed)
        drawn = min(self.resample, 4 * len(features))
        taught = self._taught(features)
        if blend is not None:
            taught = blend(taught, features)
        chances = expit(taught)
        cumulated = np.cumsum(chances * (1 - chances) + _DECIDED, dtype=np.float64)
        network = MLPRegressor(hidden_layer_sizes=self.hidden, **self._manner(seed, drawn))
        for epoch in range(TAUGHT * self.epochs):
            rows = np.searchsorted(cumulated, rng.random(drawn) * cumulated[-1])
            network.partial_fit(self._inputs(features, rows), taught[rows])
            _cool(network, (epoch + 1) / (TAUGHT * self.epochs))
            progress()
        return Network.of(network)

    def _taught(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """float32 [P]: the networks' mean log odds, in single precision."""
        teachers = [network.single() for network in self.networks_]
        taught = np.empty(len(features), np.float32)
        for start in range(0, len(features), _AT_ONCE):
            rows = np.arange(start, min(start + _AT_ONCE, len(features)))
            inputs = self._inputs(features, rows)
            taught[rows] = np.mean([teacher(inputs) for teacher in teachers], axis=0)
        return np.clip(taught, -_ODDS, _ODDS)

    def _manner(self, seed: int, drawn: int) -> dict[str, float]:
        return {
            "batch_size": min(_MINIBATCH, drawn),
            "alpha": _DECAY,
            "random_state": seed,
            "learning_rate_init": _LEARNING_RATE,
        }

    def _inputs(self, features: NDArray[np.float32], rows: NDArray[np.int64]) -> NDArray[np.float32]:
        mean, scale = self.mean_.astype(np.float32), self.scale_.astype(np.float32)
        return np.asarray(np.clip((features[rows] - mean) / scale, -CLIP, CLIP), np.float32)


def _deviation(features: NDArray[np.float32], mean: NDArray[np.float64]) -> NDArray[np.float64]:
    """Standard deviations, a few rows at once: NumPy would copy all of them in double precision."""
    parts = (features[start : start + _AT_ONCE] for start in range(0, len(features), _AT_ONCE))
    squares = np.sum([np.square(part - mean).sum(axis=0) for part in parts], axis=0)
    return np.asarray(np.sqrt(squares / len(features)), np.float64)


def _cool(network: MLPClassifier | MLPRegressor, done: float) -> None:
    """Lower the learning rate as a cosine; scikit-learn's Adam has no schedule."""
    network._optimizer.learning_rate_init = _LEARNING_RATE * (1 + math.cos(math.pi * done)) / 2  # noqa: SLF001 - as said
