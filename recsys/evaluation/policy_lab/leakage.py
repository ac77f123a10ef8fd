"""What a list gives away: a trait, guessed by somebody who sees nothing but the list.

The attacker knows the trait of most shoppers and the lists of all: which offers, in which places, of which categories.
They fit a ridge logistic regression and guess the rest. Its strength is chosen within the shoppers whose trait they
know. Ten folds, each guessed from the other nine; the folds are the same for every kind of list.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from recsys.arms import Arm
from recsys.console import step
from recsys.contracts.catalogue import path_parts
from recsys.evaluation.inputs import OpenShop
from recsys.evaluation.intervals import bootstrap_means
from recsys.evaluation.policy_lab.auc import auc_within, estimate_aucs
from recsys.evaluation.policy_lab.groups import Demographics
from recsys.evaluation.policy_lab.judging import METRICS, wanted
from recsys.evaluation.policy_lab.lab import Lab, Lists, categories_of
from recsys.evaluation.policy_lab.leakage_results import Leak, LeakageResult, Trait, Variant
from recsys.evaluation.policy_lab.replay import asked
from recsys.evaluation.policy_lab.ridge import fit_path, predict
from recsys.evaluation.policy_lab.traits import split_in_two
from recsys.evaluation.policy_lab.variants import bare, certain, never_offered, not_learned_from
from recsys.evaluation.policy_lab.verdicts import eligible_pairs
from recsys.evaluation.splits import Window
from recsys.offer_book import OfferBook
from recsys.policy import Policy, place

FOLDS: Final = 10
_INNER: Final = 3
_IN_A_FOLD: Final = 2  # of each kind, at least
_PENALTIES: Final = (300.0, 30.0, 3.0)  # on features of unit variance; from strong to weak
_FEWEST: Final = 5  # lists that an offer or a category must stand in to be looked at
_DEPTH: Final = 2

_BUYS: Final = "bought"
_DOES_NOT: Final = "never bought"

OWN: Final = "own list"
NO_RULES: Final = "own list, no rules"
UNLEARNED: Final = "own list, not learned from"
REFITTED: Final = "own list, bundle refitted"
SILENT: Final = "own list, never offered"
POPULAR: Final = "popularity's list"
HISTORY: Final = "purchase history"


@dataclass(frozen=True, slots=True)
class Attack:
    """What is tried.

    Args:
        bought_of: Groups of the policy: whether anything of them was bought is guessed as well.
        refitted: The shop with a bundle that was fitted under `not_learned_from(policy)`.
        horizon: Days that lists are judged on.
        seed: Of the folds and the intervals' resamples.
    """

    bought_of: Sequence[str]
    refitted: OpenShop | None
    horizon: int
    seed: int


def measure_leakage(lab: Lab, policy: Policy, demographics: Demographics, attack: Attack) -> LeakageResult:
    """Guess traits of the lab's people off each kind of list: attributes split in two, and what they bought.

    Args:
        lab: People who agreed to the channel and whose groups are known.
        policy: The policy.
        demographics: The truth that guesses are held against.
        attack: What is tried.
    """
    refitted = attack.refitted
    policy = certain(policy)
    rng = np.random.default_rng(attack.seed)
    with step("Making the lists"):
        kinds = _kinds(lab, policy, refitted)
        free = lab.book(bare(policy))
        bought = wanted(lab, free, Window(lab.question.day, attack.horizon), eligible_pairs(lab, free))
        values = {name: bought.judge(lists)[:, METRICS.index("beyond")] for name, lists in kinds.items()}
    with step("Guessing"):
        seen = {name: _features(lists, free) for name, lists in kinds.items()}
        seen[HISTORY] = _history(lab, free)
        traits: list[Trait] = []
        leaks: list[Leak] = []
        for name, labels in _known(lab, policy, demographics, attack.bought_of):
            visible = {
                kind: of_kind for kind, of_kind in seen.items() if kind != HISTORY or name in demographics.of_attribute
            }
            trait, found = _guess(name, labels, visible, rng)
            traits += trait
            leaks += found
    return LeakageResult(
        asked=asked(lab, horizon=attack.horizon, judged=len(bought.rows), seed=attack.seed),
        policy_version=policy.policy_version,
        unlearned_bundle=None if refitted is None else refitted.scorer.bundle.model_version,
        folds=FOLDS,
        traits=tuple(traits),
        variants=_variants(values, rng),
        leaks=tuple(leaks),
    )


def _kinds(lab: Lab, policy: Policy, refitted: OpenShop | None) -> dict[str, Lists]:
    quiet = not_learned_from(policy)
    everyone_s = lab.knowing([msgspec.structs.replace(state, arm=Arm.POPULAR.value) for state in lab.states])
    kinds = {
        OWN: lab.lists(lab.book(policy)),
        NO_RULES: lab.lists(lab.book(bare(policy))),
        UNLEARNED: lab.lists(lab.book(quiet)),
    }
    if refitted is not None:
        again = Lab.of(refitted, lab.population, lab.question, lab.subjects).knowing(lab.states)
        kinds[REFITTED] = again.lists(again.book(quiet))
    kinds[SILENT] = lab.lists(lab.book(never_offered(policy)))
    kinds[POPULAR] = everyone_s.lists(everyone_s.book(policy))
    return kinds


def _features(lists: Lists, book: OfferBook) -> NDArray[np.float64]:
    """float64 [S, F]: what a reader of the lists sees, each column of unit variance.

    For each offer 1 / log2(place + 1), and for each category (two parts of the path) how many of the listed offers
    have it; columns that fewer than five lists fill are left out. No label was looked at.
    """
    subjects, _places = lists.offers.shape
    row, place = np.nonzero(lists.offers >= 0)
    offer = lists.offers[row, place]
    seen = np.zeros((subjects, len(book)))
    seen[row, offer] = 1 / np.log2(place + 2)
    keys = book.paths.prefixes(_DEPTH)
    having = np.zeros((len(book), len(keys.codes)))
    for position, of_offer in enumerate(keys.of_offer):
        having[position, list(of_offer)] = 1
    return _scaled(np.column_stack([seen, (seen > 0).astype(np.float64) @ having]))


def _scaled(columns: NDArray[np.float64]) -> NDArray[np.float64]:
    """The columns that enough rows fill and that differ between rows, at mean zero and unit variance."""
    filled = columns[:, (columns > 0).sum(axis=0) >= _FEWEST]
    spread = filled.std(axis=0)
    differing = spread > 0
    return np.asarray((filled - filled.mean(axis=0))[:, differing] / spread[differing], np.float64)


def _history(lab: Lab, book: OfferBook) -> NDArray[np.float64]:
    """float64 [S, F]: for each category (two parts of the path) the logarithm of purchase days, of unit variance."""
    known = lab.histories(book)
    placed = categories_of(book)
    paths = [path_parts(placed[name])[:_DEPTH] if name in placed else () for name in book.index.names]
    numbers = {path: number for number, path in enumerate(dict.fromkeys(paths))}
    codes = np.array([numbers[path] for path in paths], np.int64)
    cells = known.rows_of * len(numbers) + codes[known.item]
    return _scaled(np.log1p(np.bincount(cells, minlength=len(known) * len(numbers)).reshape(len(known), -1)))


def _known(
    lab: Lab, policy: Policy, demographics: Demographics, bought_of: Sequence[str]
) -> Iterator[tuple[str, list[str | None]]]:
    """Each trait's name, and the group of everyone; None where it is not known."""
    for attribute in sorted(demographics.of_attribute):
        yield attribute, demographics.labels(attribute, lab.subjects)
    book = lab.book(policy)
    known, placement = lab.histories(book), place(policy, lab.shop.catalogue)
    for group in bought_of:
        of_group = np.zeros(len(book.index), np.bool_)
        of_group[book.index.encode_known(placement.members[group])] = True
        days = np.bincount(known.rows_of[of_group[known.item]], minlength=len(known))
        yield f"buys {group}", [_BUYS if count else _DOES_NOT for count in days.tolist()]


def _guess(
    name: str, labels: Sequence[str | None], seen: Mapping[str, NDArray[np.float64]], rng: np.random.Generator
) -> tuple[list[Trait], list[Leak]]:
    """The trait and what each kind of list gives away of it; nothing where too few have it, or lack it."""
    known = np.flatnonzero([label is not None for label in labels])
    halves = split_in_two([label for label in labels if label is not None])
    if halves is None:
        return [], []
    having, lacking = (halves[1], halves[0]) if _DOES_NOT in halves[0] else halves
    positive = np.array([labels[row] in having for row in known.tolist()], np.bool_)
    if min(positive.sum(), (~positive).sum()) < _IN_A_FOLD * FOLDS:
        return [], []
    fold = folds(positive, FOLDS, rng)
    scores = [out_of_fold(features[known], positive, fold) for features in seen.values()]
    means, paired = estimate_aucs(scores, positive, fold, rng)
    share = float(positive.mean())
    trait = Trait(attribute=name, having=having, lacking=lacking, subjects=len(known), share=share)
    return [trait], [
        Leak(trait=name, lists=kind, auc=auc, less=less) for kind, auc, less in zip(seen, means, paired, strict=True)
    ]


def folds(positive: NDArray[np.bool_], number: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """int64 [N]: a fold for each, with about as many of both kinds in every fold."""
    fold = np.empty(len(positive), np.int64)
    for flags in (positive, ~positive):
        members = np.flatnonzero(flags)
        fold[rng.permutation(members)] = np.arange(len(members)) % number
    return fold


def out_of_fold(
    features: NDArray[np.float64], positive: NDArray[np.bool_], fold: NDArray[np.int64]
) -> NDArray[np.float64]:
    """float64 [N]: each one's log odds, by a fit that has seen none of its fold."""
    scores = np.empty(len(positive))
    for number in np.unique(fold):
        inside, outside = fold == number, fold != number
        penalty = _strength(features[outside], positive[outside])
        (fitted,) = fit_path(features[outside], positive[outside], [penalty])
        scores[inside] = predict(features[inside], fitted)
    return scores


def _strength(features: NDArray[np.float64], positive: NDArray[np.bool_]) -> float:
    """The penalty that guesses best among those whose trait is known."""
    inner = np.empty(len(positive), np.int64)
    for flags in (positive, ~positive):
        inner[flags] = np.arange(flags.sum()) % _INNER
    scores = np.empty((len(_PENALTIES), len(positive)))
    for number in range(_INNER):
        inside = inner == number
        fitted = fit_path(features[~inside], positive[~inside], _PENALTIES)
        for row, coefficients in enumerate(fitted):
            scores[row, inside] = predict(features[inside], coefficients)
    quality = [auc_within(row, positive, inner) for row in scores]
    return _PENALTIES[int(np.argmax(quality))]


def _variants(values: Mapping[str, NDArray[np.float64]], rng: np.random.Generator) -> tuple[Variant, ...]:
    names: Sequence[str] = list(values)
    if not len(values[OWN]):
        return tuple(Variant(lists=name, beyond=None, change=None) for name in names)
    own = values[OWN]
    found = bootstrap_means(np.stack([*values.values(), *(one - own for one in values.values())], axis=1), rng)
    return tuple(
        Variant(lists=name, beyond=mean, change=change)
        for name, mean, change in zip(names, found[: len(names)], found[len(names) :], strict=True)
    )
