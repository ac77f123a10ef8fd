"""The lab: the same people and offers before one policy after another.

Every list is made by `recsys.decide.rank` from `Recommender.scores`: the two of which `Recommender.decide` consists,
without the reasons. What two policies score alike is scored once.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import msgspec
import numpy as np
import polars as pl
from numpy.typing import NDArray

from recsys.contracts.decision import Fill
from recsys.contracts.state import DismissalScope, State
from recsys.decide import Ranking, Scores, rank
from recsys.evaluation.batch import Question
from recsys.evaluation.inputs import OpenShop
from recsys.evaluation.population import Population
from recsys.guards import Situation
from recsys.history import Histories
from recsys.offer_book import OfferBook, OfferLayout, open_offer_book
from recsys.policy import Policy, named_items
from recsys.recommender import Recommender

_BATCH: Final = 256


@dataclass(frozen=True, slots=True)
class Lists:
    """The lists of S subjects.

    Args:
        offers: int64 [S, k], positions in the offers file, best first; -1 where a list is shorter.
        personal: bool [S], made by the subject's own scores.
        withheld: Rule to int64 [S]: offers that it was the first to withhold, as decisions count them.
    """

    offers: NDArray[np.int64]
    personal: NDArray[np.bool_]
    withheld: Mapping[str, NDArray[np.int64]]

    @classmethod
    def of(cls, rankings: Sequence[Ranking], k: int) -> Lists:
        """From what `rank` returns."""
        offers = np.full((len(rankings), k), -1, np.int64)
        rules = dict.fromkeys(rule for ranking in rankings for rule in ranking.withheld)
        withheld = {rule: np.array([one.withheld.get(rule, 0) for one in rankings], np.int64) for rule in rules}
        for row, ranking in enumerate(rankings):
            offers[row, : len(ranking.offers)] = ranking.offers
        return cls(offers, np.array([one.source is Fill.PERSONAL for one in rankings], np.bool_), withheld)

    @property
    def lengths(self) -> NDArray[np.int64]:
        """int64 [S]: how many offers each list has."""
        return np.asarray((self.offers >= 0).sum(axis=1))

    def changed(self, other: Lists) -> NDArray[np.bool_]:
        """Whose list has other offers, or the same in another order, as bool [S]."""
        return np.asarray((self.offers != other.offers).any(axis=1))

    def kept(self, other: Lists) -> NDArray[np.int64]:
        """int64 [S]: how many offers of the list stand in the other one too."""
        same = (self.offers[:, :, None] == other.offers[:, None, :]) & (self.offers >= 0)[:, :, None]
        return np.asarray(same.any(axis=2).sum(axis=1))


@dataclass(frozen=True, slots=True)
class Lab:
    """People at one instant.

    Args:
        shop: What may be offered, and the model.
        population: Where the people come from.
        question: What is asked for each of them.
        subjects: Who, in the order of every array of S subjects.
        states: What is known of each.
    """

    shop: OpenShop
    population: Population
    question: Question
    subjects: tuple[str, ...]
    states: tuple[State, ...]
    _known: dict[tuple[str, ...], Histories] = field(default_factory=dict, repr=False)
    _scored: dict[bytes, list[Scores]] = field(default_factory=dict, repr=False)
    _layouts: dict[tuple[str, ...], OfferLayout] = field(default_factory=dict, repr=False)

    @classmethod
    def of(
        cls, shop: OpenShop, population: Population, question: Question, subjects: Sequence[str] | None = None
    ) -> Lab:
        """Everyone of the population, or some."""
        chosen = population.subjects if subjects is None else tuple(subjects)
        states = tuple(population.state(subject) for subject in chosen)
        return cls(_without_brands(shop, states), population, question, chosen, states)

    def knowing(self, states: Sequence[State]) -> Lab:
        """The same people with other consents, arms or exposures (but with the same sensitive purchases)."""
        return replace(self, states=tuple(states))

    def book(self, policy: Policy) -> OfferBook:
        """The offers as the policy sees them; what policies have in common is laid out once."""
        offers, catalogue, named = self.shop.offers, self.shop.catalogue, tuple(named_items(policy))
        if named not in self._layouts:
            self._layouts[named] = OfferLayout.of(offers, catalogue, named)
        return open_offer_book(offers, catalogue, policy, layout=self._layouts[named])

    def histories(self, book: OfferBook) -> Histories:
        """The histories before the question's day."""
        names = book.index.names
        if names not in self._known:
            day = self.question.day
            self._known[names] = self.population.histories(book.index, until=day, subjects=self.subjects)
        return self._known[names]

    def situations(self, book: OfferBook) -> Iterator[Situation]:
        """All of them before the offers, a batch at a time."""
        start = 0
        for part in self.histories(book).batches(_BATCH):
            requests = [self.question.request(subject) for subject in part.subjects]
            yield Situation(requests, self.states[start : start + len(part)], part, book, self.question.at)
            start += len(part)

    def lists(self, book: OfferBook) -> Lists:
        """Everyone's list. What a policy leaves to chance is drawn from seeds that are the same for every policy."""
        rng = np.random.default_rng(0)
        rankings: list[Ranking] = []
        for situation, scores in zip(self.situations(book), self.scores(book), strict=True):
            rankings += rank(situation, scores, [rng.bytes(16) for _ in situation.requests])
        return Lists.of(rankings, self.question.count)

    def scores(self, book: OfferBook) -> list[Scores]:
        """The scores of each batch; shared between policies that agree on what is learned from and what is a trap."""
        policy = book.policy
        key = msgspec.msgpack.encode((policy.groups, sorted(policy.unlearned), policy.past_purchase_trap))
        if key not in self._scored:
            recommender = Recommender(self.shop.scorer, book)
            self._scored[key] = [recommender.scores(situation) for situation in self.situations(book)]
        return self._scored[key]


def categories_of(book: OfferBook) -> dict[str, str]:
    """The category path of each item that the catalogue places."""
    return dict(book.catalogue.filter(pl.col("category").is_not_null()).select("item", "category").iter_rows())


def _without_brands(shop: OpenShop, states: Sequence[State]) -> OpenShop:
    """The shop without brands, where nobody dismissed one: they are for that only, and take long to lay out."""
    if any(said.scope is DismissalScope.BRAND for state in states for said in state.dismissals):
        return shop
    return replace(shop, catalogue=shop.catalogue.drop("brand", strict=False))
