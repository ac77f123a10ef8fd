"""The guards against an oracle in plain loops, and the promises that hold whatever the world."""

from __future__ import annotations

import datetime as dt

import numpy as np
import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st
from support import oracle
from support.tokens import token
from support.worlds import NOW, World, worlds

from recsys.contracts.decision import DecisionRequest
from recsys.contracts.state import State
from recsys.decide import Ranking, Scores, rank
from recsys.guards import GUARDS, Situation
from recsys.history import Histories, histories
from recsys.offer_book import OfferBook, open_offer_book
from recsys.policy.document import Group, OnlyIfPurchased, Policy


def purchases(world: World) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "subject": [token("somebody")] * len(world.lines),
            "item": [item for item, *_ in world.lines],
            "day": [(NOW - dt.timedelta(age)).date() for _, age, _ in world.lines],
            "quantity": [quantity for *_, quantity in world.lines],
        },
        schema={"subject": pl.String, "item": pl.String, "day": pl.Date, "quantity": pl.Float64},
    )


def history(world: World, book: OfferBook) -> Histories:
    # Items outside the catalogue may still be in an offer; those in neither are left out of the index.
    return histories(purchases(world), book.index, subjects=[token("somebody")])


def ranked(world: World, *, state: State | None = None) -> tuple[Ranking, OfferBook]:
    book = open_offer_book(world.offers, world.catalogue, world.policy)
    made = history(world, book)
    scores = Scores(
        np.array([world.scores], np.float32), np.array(world.popular, np.float32), np.array([oracle.known(world)])
    )
    situation = Situation([world.request], [state or world.state], made, book, NOW)
    return rank(situation, scores)[0], book


@settings(max_examples=300)
@given(worlds())
def test_decisions_agree_with_plain_loops(world: World) -> None:
    ranking, book = ranked(world)
    listed, counts, fill = oracle.decision(world)
    assert [book.ids[offer] for offer in ranking.offers] == listed
    assert ranking.withheld == counts
    assert ranking.fill == fill


@given(worlds())
def test_no_score_opens_what_is_withheld(world: World) -> None:
    book = open_offer_book(world.offers, world.catalogue, world.policy)
    infinite = np.full((1, len(book)), 1e30, np.float32)
    situation = Situation([world.request], [world.state], history(world, book), book, NOW)
    shown = rank(situation, Scores(infinite, infinite[0], np.ones(1, np.bool_)))[0].offers
    for offer, row in enumerate(world.offers.iter_rows(named=True)):
        if oracle.verdict(world, row) is not None:
            assert offer not in shown


@given(worlds())
def test_forgetting_a_history_never_opens_an_offer(world: World) -> None:
    book = open_offer_book(world.offers, world.catalogue, world.policy)
    before = Situation([world.request], [world.state], history(world, book), book, NOW)
    nothing = State(consents=world.state.consents)
    after = Situation([world.request], [nothing], Histories.empty([token("somebody")]), book, NOW)
    assert (GUARDS["only_if_purchased"](after) >= GUARDS["only_if_purchased"](before)).all()


@given(worlds())
def test_withdrawing_profiling_makes_the_list_non_personal(world: World) -> None:
    withdrawn = State(consents=world.state.consents - {"profiling"})
    ranking, _ = ranked(world, state=withdrawn)
    assert not ranking.personal


@given(worlds(), st.integers(1, 5))
def test_a_batch_decides_as_its_members_alone(world: World, size: int) -> None:
    book = open_offer_book(world.offers, world.catalogue, world.policy)
    one = history(world, book)
    many = Histories(
        one.subjects * size,
        np.concatenate([one.offsets[:1], *(one.offsets[1:] + len(one.item) * n for n in range(size))]),
        np.tile(one.item, size),
        np.tile(one.day, size),
        np.tile(one.quantity, size),
        np.tile(one.baskets, size),
    )
    alone = Situation([world.request], [world.state], one, book, NOW)
    together = Situation([world.request] * size, [world.state] * size, many, book, NOW)
    for guard in GUARDS.values():
        assert (guard(together) == guard(alone)).all()


def test_purchases_at_the_windows_edge() -> None:
    policy = Policy(
        version=1,
        sha256="0" * 64,
        groups={"wine": Group(items=("wine",))},
        only_if_purchased=(OnlyIfPurchased(groups=("wine",), min_days=1, within_days=30),),
    )
    catalogue = pl.DataFrame({"item": ["wine"], "category": ["FOOD / WINE"], "title": ["Wine"]})
    offers = pl.DataFrame({"offer_id": ["o"], "items": [["wine"]], "title": ["Wine"]})
    book = open_offer_book(offers, catalogue, policy)
    request = DecisionRequest(subject=token(1), channel="email")
    state = State(consents=frozenset({"profiling", "channel:email"}))
    for age, opened in ((-1, False), (0, True), (30, True), (31, False)):
        line = pl.DataFrame(
            {"subject": [token(1)], "item": ["wine"], "day": [(NOW - dt.timedelta(age)).date()], "quantity": [1.0]}
        )
        situation = Situation([request], [state], histories(line, book.index), book, NOW)
        assert GUARDS["only_if_purchased"](situation).tolist() == [[not opened]], age
