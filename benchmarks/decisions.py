"""Guards, list constraints and top-k, after scoring: `python -m benchmarks.decisions [--guards POLICY]`.

Held against the obvious way: one subject after the other, the same guards, and a full sort of what is allowed. On
generated offers over a generated catalogue that has the grocery policy's categories, with histories of 600 rows and 12
exposures a subject.
"""

from __future__ import annotations

import argparse
import datetime as dt
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl

from benchmarks.timing import compare
from recsys.contracts.decision import DecisionRequest
from recsys.contracts.offers import OFFERS
from recsys.contracts.state import Exposure, State
from recsys.guards import GUARDS, Situation
from recsys.history import Histories, day_number
from recsys.offer_book import OfferBook, open_offer_book
from recsys.policy import Policy, load_policy
from recsys.rank import Scores, rank
from recsys.top_k import top_k

POLICY = Path(__file__).parents[1] / "examples" / "policies" / "grocery.toml"
AT = dt.datetime(2017, 11, 27, 9, tzinfo=dt.UTC)
ROWS, SHOWN, PLAIN = 600, 12, 2_000
CASES = (("1 subject x 2,000 offers", 1, 2_000), ("256 subjects x 1,000 offers", 256, 1_000))
DECISIONS = 256  # of each case at least: Python is slow the first ten times that it runs a function


def main() -> None:
    """Print each case, its speed, and how many times as fast as the obvious way it is."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--guards", type=Path, default=POLICY)
    policy = load_policy(parser.parse_args().guards)
    for label, subjects, offers in CASES:
        situation, scores = world(policy, subjects, offers)
        rounds = max(7, DECISIONS // subjects)
        result = compare(label, ranked(situation, scores), one_by_one(situation, scores), rounds=rounds)
        print(f"{result}   {subjects / result.ours:10,.0f} subjects/s")  # noqa: T201 - a script's result


def ranked(situation: Situation, scores: Scores) -> Callable[[], object]:
    """The way that is shipped; a situation is made anew, since it remembers what it has counted."""
    return lambda: rank(fresh(situation), scores)


def one_by_one(situation: Situation, scores: Scores) -> Callable[[], object]:
    """The obvious way, without list constraints and counts."""

    def decide() -> None:
        again = fresh(situation)
        for row in range(len(again.requests)):
            alone = again.alone(row)
            withheld = np.logical_or.reduce([guard(alone)[0] for guard in GUARDS.values()])
            top_k(scores.personal[row], ~withheld, 10, again.book.priority)

    return decide


def fresh(situation: Situation) -> Situation:
    """The same without what it has counted."""
    known = situation.histories.slice(0, len(situation.histories))
    return Situation(situation.requests, situation.states, known, situation.book, situation.at)


def world(policy: Policy, subjects: int, offers: int) -> tuple[Situation, Scores]:
    """Subjects before offers."""
    rng = np.random.default_rng(0)
    catalogue = catalogue_of(policy)
    items = catalogue["item"].to_list()
    book = open_offer_book(offers_of(items, offers, rng), catalogue, policy)
    tokens = tuple(f"s1.rec.01.{'a' * 22}{chr(97 + n // 16)}{chr(97 + n % 16)}aa" for n in range(subjects))
    rows = subjects * ROWS
    ages = rng.integers(0, 365, rows).reshape(subjects, ROWS)
    known = Histories(
        tokens,
        np.arange(subjects + 1) * ROWS,
        rng.integers(0, len(items), rows).astype(np.int32),
        (day_number(AT.date()) - np.sort(ages)[:, ::-1].reshape(-1)).astype(np.int32),
        np.ones(rows, np.float32),
        np.ones(rows, np.int32),
    )
    states = [state_of(book, catalogue, rng) for _ in tokens]
    situation = Situation([DecisionRequest(subject=t, channel="email") for t in tokens], states, known, book, AT)
    shape = (subjects, offers)
    return situation, Scores(rng.random(shape, np.float32), rng.random(offers, np.float32), np.ones(subjects, np.bool_))


def catalogue_of(policy: Policy) -> pl.DataFrame:
    """Plain goods in sixty categories, and three items of every category that the policy names."""
    named = {category for group in policy.groups.values() for category in group.categories}
    named |= {category for rule in policy.cool_down for category in rule.categories}
    paths = [f"STORE / {category}" for category in sorted(named) for _ in range(3)]
    paths += [f"FOOD / AISLE {n % 60} / TYPE {n % 400}" for n in range(PLAIN)]
    return pl.DataFrame({"item": [f"i{n}" for n in range(len(paths))], "category": paths, "title": paths})


def offers_of(items: list[str], count: int, rng: np.random.Generator) -> pl.DataFrame:
    """Offers of one to five items."""
    rows = [rng.choice(items, rng.integers(1, 6)).tolist() for _ in range(count)]
    ids = [f"o{n}" for n in range(count)]
    return OFFERS.checked(pl.DataFrame({"offer_id": ids, "items": rows, "title": ids}), where="generated offers")


def state_of(book: OfferBook, catalogue: pl.DataFrame, rng: np.random.Generator) -> State:
    """An adult who agreed to everything and was shown some offers lately."""
    shown = tuple(
        Exposure(
            offer_id=book.ids[offer],
            at=AT - dt.timedelta(hours=int(hours)),
            channel="email",
            categories=tuple(catalogue["category"][item] for item in book.items.row(offer).tolist()),
        )
        for offer, hours in zip(rng.integers(0, len(book), SHOWN), rng.integers(1, 700, SHOWN), strict=True)
    )
    return State(consents=frozenset({"profiling", "channel:email"}), adult=True, exposures=shown)


if __name__ == "__main__":
    main()
