"""Segments: lists made by what the others of a segment buy. Interests against demographics, for measuring only.

    score(subject, offer) = (buyers in the segment, without the subject + 20 · share of all buyers)
                            / (size of the segment, without the subject + 20)

A buyer bought something that the offer covers in the 84 days before. The lists pass through the policy's guards by
`recsys.decide.rank`. The demographic ones exist here and nowhere else: no service makes such a list.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from recsys.contracts.catalogue import path_parts
from recsys.decide import Ranking, Scores, rank
from recsys.evaluation.intervals import bootstrap_means
from recsys.evaluation.policy_lab.fairness_results import SegmentResult
from recsys.evaluation.policy_lab.groups import Demographics
from recsys.evaluation.policy_lab.judging import METRICS, Wanted
from recsys.evaluation.policy_lab.lab import Lab, Lists, categories_of
from recsys.history import Histories, histories
from recsys.offer_book import OfferBook

_PRIOR: Final = 20.0
_WINDOW: Final = dt.timedelta(days=84)
_NONE: Final = "nobody's: what everyone buys"
_OWN: Final = "none: the shopper's own list"


def compare_segments(
    lab: Lab, book: OfferBook, demographics: Demographics, bought: Wanted, rng: np.random.Generator
) -> tuple[SegmentResult, ...]:
    """Judge the lists of every way to cut the people into segments, on those who agreed to profiling."""
    agreed = np.array([state.may_profile for state in lab.states], np.bool_)[bought.rows]
    if not agreed.any():
        return ()
    recent = _recent(lab, book)
    buys = _buys(recent, book)
    names, kinds, numbers, values = [], [], [], []
    for name, kind, labels in _cuts(lab, book, recent, demographics):
        _, codes = np.unique(labels, return_inverse=True)
        lists = _lists(lab, book, _scores(buys, codes))
        names.append(name)
        kinds.append(kind)
        numbers.append(len(np.unique(codes)))
        values.append(bought.judge(lists)[agreed])
    values.append(bought.judge(lab.lists(book))[agreed])
    chosen = [METRICS.index("ndcg"), METRICS.index("beyond")]
    columns = [part[:, chosen] for part in values] + [(part - values[0])[:, chosen] for part in values]
    found = bootstrap_means(np.concatenate(columns, axis=1), rng)
    pairs = [found[place : place + 2] for place in range(0, len(found), 2)]
    return tuple(
        SegmentResult(
            segments=name, kind=kind, number=number, ndcg=means[0], beyond=means[1], ndcg_gain=g[0], beyond_gain=g[1]
        )
        for name, kind, number, means, g in zip(
            [*names, _OWN], [*kinds, "personal"], [*numbers, 0], pairs[: len(values)], pairs[len(values) :], strict=True
        )
    )


def _cuts(
    lab: Lab, book: OfferBook, recent: Histories, demographics: Demographics
) -> Iterator[tuple[str, str, list[str]]]:
    """Name, kind and the segment of each subject; who is in none has a segment with all others in none."""
    yield _NONE, "none", ["" for _ in lab.subjects]
    yield "declared interest, the first", "interest", [(*state.interests, "")[0] for state in lab.states]
    yield "department bought more than others do", "interest", _favourites(book, recent)
    for attribute in sorted(demographics.of_attribute):
        yield attribute, "demographic", [label or "" for label in demographics.labels(attribute, lab.subjects)]


def _recent(lab: Lab, book: OfferBook) -> Histories:
    day = lab.question.day
    purchases = lab.population.purchases.filter(pl.col("day") >= day - _WINDOW)
    return histories(purchases, book.index, until=day, subjects=lab.subjects)


def _buys(recent: Histories, book: OfferBook) -> NDArray[np.float64]:
    """float64 [S, O]: 1 where the subject bought something that the offer covers."""
    offer, row = book.covering.take(recent.item)
    buys = np.zeros((len(recent), len(book)))
    buys[recent.rows_of[row], offer] = 1
    return buys


def _favourites(book: OfferBook, recent: Histories) -> list[str]:
    """The department that makes up more of a subject's purchase days than of everyone's, by the largest ratio."""
    paths = categories_of(book)
    departments = [path_parts(paths[name])[0] if name in paths else "" for name in book.index.names]
    names, codes = np.unique(departments, return_inverse=True)
    cells = recent.rows_of * len(names) + codes[recent.item]
    days = np.bincount(cells, minlength=len(recent) * len(names)).reshape(len(recent), len(names)).astype(np.float64)
    days[:, names == ""] = 0
    common = days.sum(axis=0) / max(days.sum(), 1)
    expected = days.sum(axis=1, keepdims=True) * common
    ratio = (days + 1) / (expected + 1)  # one day more on both sides: a single purchase is no taste
    return [
        str(names[best]) if bought else "" for best, bought in zip(ratio.argmax(axis=1), days.sum(axis=1), strict=True)
    ]


def _scores(buys: NDArray[np.float64], codes: NDArray[np.int64]) -> NDArray[np.float32]:
    """float32 [S, O], by the formula above."""
    sizes = np.bincount(codes)
    counted = np.zeros((len(sizes), buys.shape[1]))
    np.add.at(counted, codes, buys)
    others = counted[codes] - buys
    scores = (others + _PRIOR * buys.mean(axis=0)) / (sizes[codes] - 1 + _PRIOR)[:, None]
    return np.asarray(scores, np.float32)


def _lists(lab: Lab, book: OfferBook, scores: NDArray[np.float32]) -> Lists:
    everyone = scores.mean(axis=0)
    rankings: list[Ranking] = []
    for situation in lab.situations(book):
        rows = slice(len(rankings), len(rankings) + len(situation.requests))
        known = np.ones(len(situation.requests), np.bool_)
        rankings += rank(situation, Scores(scores[rows], everyone, known))
    return Lists.of(rankings, lab.question.count)


def kinds_in_order(segments: Sequence[SegmentResult]) -> list[SegmentResult]:
    """Best first within each kind, what is compared with first."""
    order = ("none", "interest", "demographic", "personal")
    return sorted(segments, key=lambda one: (order.index(one.kind), -one.beyond.mean))
