"""The attack against plain loops, and what it is good for: who takes popularity out of the ranks sees better."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import sparse

from training.bars import BAR
from training.factorize import Factorization
from training.features.fold_in import FoldIn
from training.membership import attack

SETTINGS = Factorization(12, regularization=0.3, iterations=6, random_state=0)


def bought(subjects: int, items: int, mean: float) -> NDArray[np.float32]:
    """Counts of purchase days; a few items are far more popular than the others."""
    rng = np.random.default_rng(1)
    popularity = 1 / np.arange(1, items + 1) ** 0.7
    chances = np.minimum(0.8, mean * popularity / popularity.sum())
    return (rng.random((subjects, items)) < chances) * rng.integers(1, 4, (subjects, items)).astype(np.float32)


def suspicions(counts: NDArray[np.float32], learned: NDArray[np.int64]) -> NDArray[np.float64]:
    """[subjects, 2]: minus the mean log rank of each purchase left out, by the factors and by the number of buyers."""
    matrix = sparse.csr_matrix(counts[np.sort(learned)])
    fold = FoldIn.of(SETTINGS.fit(matrix), matrix)
    buyers = (counts[learned] > 0).sum(axis=0)
    found = []
    for own in counts:
        items, other = np.flatnonzero(own), np.flatnonzero(own == 0)
        ranks = []
        for left in items:
            rest = items[items != left]
            scores = fold.scores(rest, own[rest], np.arange(len(own)))
            ranks.append([(scores[other] > scores[left]).sum(), (buyers[other] > buyers[left]).sum()])
        found.append(-np.log1p(ranks).mean(axis=0))
    return np.array(found)


def auc(suspicion: NDArray[np.float64], member: NDArray[np.bool_]) -> float:
    """How often a member is more suspect than another; equal ones count half."""
    pairs = suspicion[member][:, None] - suspicion[~member]
    return float((pairs > 0).mean() + (pairs == 0).mean() / 2)


def test_the_figures_are_those_of_plain_loops() -> None:
    counts = bought(60, 40, 6)
    counts *= np.cumsum(counts > 0, axis=1) <= 10  # of ten at most all are left out
    counts = counts[(counts > 0).sum(axis=1) >= 2]
    halves = np.array_split(np.random.default_rng(0).permutation(len(counts)), 2)
    expected = []
    for learned in halves:
        member = np.isin(np.arange(len(counts)), learned)
        factors, popularity = suspicions(counts, learned).T
        slope, height = np.polyfit(popularity, factors, 1)
        told = (factors, popularity, factors - slope * popularity - height)
        expected.append([auc(suspicion.round(9), member) for suspicion in told])
    found = attack(SETTINGS, sparse.csr_matrix(counts), seed=0)
    assert [found.factors, found.popularity, found.beyond] == pytest.approx(np.mean(expected, axis=0), abs=0.002)


def test_who_takes_popularity_out_of_the_ranks_may_see_better() -> None:
    strong = Factorization(12, regularization=0.8, iterations=6, random_state=0)
    found = attack(strong, sparse.csr_matrix(bought(1_000, 150, 20)), seed=0)
    assert found.held == found.factors <= BAR < 0.57 < found.beyond
