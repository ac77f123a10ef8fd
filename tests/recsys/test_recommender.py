"""What is scored, and for whom: with the bundle that ships, over the shop that it was made for."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray
from support.tokens import token

from recsys.bundle import load_bundle
from recsys.contracts.catalogue import CATALOGUE
from recsys.contracts.decision import Decision, DecisionRequest
from recsys.contracts.offers import OFFERS
from recsys.contracts.purchases import PURCHASES
from recsys.contracts.state import State
from recsys.guards import Situation
from recsys.history import Histories, day_number, histories
from recsys.model_histories import ModelHistories
from recsys.offer_book import OfferBook, open_offer_book
from recsys.policy.document import Group, OnlyIfPurchased, Policy
from recsys.rank import rank
from recsys.recommender import Recommender
from recsys.scorer import Scorer

MODELS = Path(__file__).parents[2] / "models"
AT = dt.datetime(2025, 3, 1, 9, tzinfo=dt.UTC)
ITEMS = ("milk", "butter", "rolls", "apples", "coffee", "tea", "candles", "honey", "matches")  # the last is new
PROFILED = State(consents=frozenset({"profiling", "channel:email"}))
CANDLES = Policy(
    version=1,
    sha256="0" * 64,
    groups={"candles": Group(items=("candles",)), "tea": Group(items=("tea",))},
    only_if_purchased=(OnlyIfPurchased(groups=("candles", "tea"), min_days=2, within_days=90, level="item"),),
)


class Listening(Scorer):
    """The scorer, and what it was asked."""

    def __init__(self) -> None:
        super().__init__(load_bundle(MODELS / "corner-shop", trust=MODELS / "corner-shop.pub"))
        self.asked: list[tuple[int, set[str]]] = []

    def score(self, histories: ModelHistories, candidates: NDArray[np.int64]) -> NDArray[np.float32]:
        """As ever; for how many subjects with a history, and which items."""
        self.asked.append((int(histories.known.sum()), {self.vocabulary.names[item] for item in candidates}))
        return super().score(histories, candidates)


@pytest.fixture(scope="module")
def book() -> OfferBook:
    catalogue = pl.DataFrame(
        {"item": ITEMS, "category": [f"SHOP / {item}" for item in ITEMS], "title": [item.title() for item in ITEMS]}
    )
    offers = pl.DataFrame({"offer_id": ITEMS, "items": [[item] for item in ITEMS], "title": ITEMS})
    return open_offer_book(
        OFFERS.checked(offers, where="offers"), CATALOGUE.checked(catalogue, where="catalogue"), CANDLES
    )


def bought(book: OfferBook, *baskets: tuple[str, ...]) -> Histories:
    """One person a basket, who bought what is in it every week."""
    lines = [
        (token(person), item, AT.date() - dt.timedelta(7 * week), 1.0)
        for person, basket in enumerate(baskets)
        for item in basket
        for week in range(1, 6)
    ]
    frame = pl.DataFrame(lines, schema=["subject", "item", "day", "quantity"], orient="row")
    people = [token(person) for person in range(len(baskets))]
    return histories(PURCHASES.checked(frame, where="lines"), book.index, subjects=people)


def decided(recommender: Recommender, known: Histories, states: list[State]) -> list[Decision]:
    requests = [DecisionRequest(subject=subject, channel="email", count=4) for subject in known.subjects]
    return recommender.decide(requests, known, states, at=AT, rng=np.random.default_rng(1))


def told(decision: Decision) -> object:
    """What it says, without its numbers."""
    items = [(item.offer_id, item.rank, [reason.code for reason in item.reasons]) for item in decision.items]
    return items, decision.fill, decision.withheld


def numbers(decision: Decision) -> list[float]:
    """Of each item the score, the chance, and what each reason adds."""
    return [
        number
        for item in decision.items
        for number in (item.score, item.propensity, *(reason.contribution for reason in item.reasons))
    ]


@pytest.mark.parametrize(
    "state",
    [
        State(),
        State(consents=frozenset({"channel:email"})),
        State(consents=frozenset({"profiling"})),
        State(consents=PROFILED.consents, arm="popular"),
        State(consents=PROFILED.consents, arm="empty"),
    ],
    ids=["nothing agreed to", "no profiling", "no channel", "popular arm", "empty arm"],
)
def test_a_history_is_scored_for_nobody_whose_list_is_not_made_by_it(book: OfferBook, state: State) -> None:
    scorer = Listening()
    known = bought(book, ("milk", "tea"), ("coffee", "honey"))
    alone = decided(Recommender(scorer, book), known, [state, state])
    assert all(count == 0 for count, _ in scorer.asked)
    assert not any(decision.fill == "personal" for decision in alone)
    beside = decided(Recommender(scorer, book), known, [PROFILED, state])
    assert scorer.asked[-1][0] == 1
    assert beside[0].fill == "personal"
    assert beside[1] == alone[1]


def test_what_the_guards_leave_to_nobody_is_not_scored(book: OfferBook) -> None:
    scorer = Listening()
    decided(Recommender(scorer, book), bought(book, ("milk",), ("coffee", "tea")), [PROFILED, PROFILED])
    assert scorer.asked == [(2, set(ITEMS) - {"candles", "matches"})]


def test_lists_are_those_that_scores_of_everything_for_everyone_make(book: OfferBook) -> None:
    recommender = Recommender(Listening(), book)
    baskets = (("milk",), ("coffee", "tea"), (), ("candles", "honey", "rolls"), ("apples", "butter"))
    states = [PROFILED, PROFILED, PROFILED, State(consents=frozenset({"channel:email"})), PROFILED]
    known = bought(book, *baskets)
    decisions = decided(recommender, known, states)
    requests = [DecisionRequest(subject=subject, channel="email", count=4) for subject in known.subjects]
    situation = Situation(requests, states, known, book, AT)
    for decision, ranking in zip(decisions, rank(situation, recommender.scores(situation)), strict=True):
        assert [item.offer_id for item in decision.items] == [book.ids[offer] for offer in ranking.offers]
        assert [item.score for item in decision.items] == pytest.approx(ranking.scores.tolist(), abs=1e-5)
        assert (decision.fill, decision.withheld) == (ranking.fill, ranking.withheld)


def test_reasons_sum_to_the_score_however_many_are_decided_for_together(book: OfferBook) -> None:
    recommender = Recommender(Listening(), book)
    baskets = tuple(ITEMS[: 1 + number % len(ITEMS)] for number in range(11))
    decisions = decided(recommender, bought(book, *baskets), [PROFILED] * len(baskets))
    related = {reason.text for one in decisions for item in one.items for reason in item.reasons}
    assert "because you buy Milk" in related
    for number, decision in enumerate(decisions):
        named = {reason.text.removeprefix("because you buy ") for item in decision.items for reason in item.reasons}
        assert named & {item.title() for item in ITEMS} <= {item.title() for item in baskets[number]}
        for item in decision.items:
            assert sum(reason.contribution for reason in item.reasons) == pytest.approx(item.score, abs=1e-6)


def test_a_decision_in_a_batch_is_the_one_made_alone(book: OfferBook) -> None:
    """But for the last bits of scores and addends: requests that wait at the same time are decided in one batch."""
    recommender = Recommender(Listening(), book)
    baskets = [ITEMS[number % 5 : number % 5 + number % len(ITEMS)] for number in range(16)]
    together = decided(recommender, bought(book, *baskets), [PROFILED] * len(baskets))
    alone = [decided(recommender, bought(book, basket), [PROFILED])[0] for basket in baskets]
    assert {decision.fill for decision in together} >= {"personal", "popular"}
    for one, other in zip(together, alone, strict=True):
        assert told(one) == told(other)
        assert numbers(one) == pytest.approx(numbers(other), rel=0, abs=1e-6)


def test_other_candidates_change_no_score(book: OfferBook) -> None:
    """However many there are: each stands once at the end, which kernels treat otherwise than the middle."""
    scorer = Listening()
    known = bought(book, *(ITEMS[number : number + 1 + number % 4] for number in range(9)))
    given = scorer.fold(known, scorer.codes(book.index), as_of=day_number(AT.date()))
    everything = np.arange(len(scorer.vocabulary))
    scores = scorer.score(given, everything)
    for count in everything[1:]:
        assert scorer.score(given, everything[:count]) == pytest.approx(scores[:, :count], abs=1e-6)
        assert scorer.score(given, everything[-count:]) == pytest.approx(scores[:, -count:], abs=1e-6)


def test_what_only_the_history_knows_is_scored_by_it_and_names_nothing_else(book: OfferBook) -> None:
    recommender = Recommender(Listening(), book)
    (decision,) = decided(recommender, bought(book, ("matches", "milk", "tea")), [PROFILED])
    (matches,) = (item for item in decision.items if item.offer_id == "matches")
    coverage = sum(2 ** (-7 * week / 168) for week in range(1, 6))
    assert matches.score == pytest.approx(1 - 2 ** (-coverage * 28 / 168), abs=1e-6)
    assert [reason.code for reason in matches.reasons] == ["bought", "other"]
    assert matches.reasons[1].contribution == pytest.approx(0, abs=1e-6)
