"""Every guard and list constraint in one decision each: `decide` from values alone, without bundle, store or clock.

    python examples/guards.py

The scores are made up: the earlier an offer stands, the higher. With a bundle, `recsys.recommender.Recommender` makes
them, and decides by the same path.
"""

from __future__ import annotations

import datetime as dt
import sys
from dataclasses import dataclass, field

import numpy as np
import polars as pl

from recsys.candidate_map import CandidateMap
from recsys.contracts.decision import Decision, DecisionRequest
from recsys.contracts.offers import OFFERS
from recsys.contracts.state import Dismissal, DismissalScope, Exposure, State
from recsys.decide import ModelScores, Versions, decide
from recsys.explain import Names
from recsys.guards import Situation
from recsys.guards.past_purchase_trap import without_trapped
from recsys.history import histories
from recsys.offer_book import open_offer_book
from recsys.policy.reading import parse_policy

NOW = dt.datetime(2017, 11, 27, 9, tzinfo=dt.UTC)
DAY = dt.timedelta(days=1)
SHOPPER = "s1.rec.01." + "a" * 26  # a token: who it is, nothing here can know
AGREED = State(consents=frozenset({"profiling", "channel:email"}))
CATALOGUE = pl.DataFrame(
    {
        "item": ["wine", "kit", "nappies", "kettle", "cherry", "plain", "bread"],
        "category": [
            *(
                "DRINKS / WINE / RED",
                "HEALTH / TESTS / PREGNANCY",
                "BABY / NAPPIES / SIZE 1",
                "KITCHEN / KETTLES / STEEL",
            ),
            *("DAIRY / YOGHURT / CHERRY", "DAIRY / YOGHURT / PLAIN", "BAKERY / BREAD / RYE"),
        ],
        "title": ["Wine", "Test kit", "Nappies", "Kettle", "Cherry yoghurt", "Plain yoghurt", "Bread"],
        "brand": [None, None, None, "Boil", None, None, None],
    }
)
GROUPS = """
[groups.wine]
categories = ["WINE"]
[groups.tests]
categories = ["PREGNANCY"]
[groups.baby]
categories = ["BABY"]
"""


@dataclass(frozen=True)
class Example:
    """What one guard is there for.

    Args:
        rule: The guard.
        story: What happens, in a sentence.
        policy: The rules, in TOML; the groups are added.
        offers: Items by offer.
        bought: Items, and how many days ago.
        state: What else is known of the shopper.
        more: Further columns of the offers.
    """

    rule: str
    story: str
    policy: str = ""
    offers: dict[str, list[str]] = field(default_factory=lambda: {"bread": ["bread"]})
    bought: tuple[tuple[str, int], ...] = ()
    state: State = AGREED
    more: dict[str, list[object]] = field(default_factory=dict)


def shown(offer: str, *days_ago: int) -> tuple[Exposure, ...]:
    """Exposures of an offer by e-mail."""
    return tuple(
        Exposure(offer_id=offer, at=NOW - days * DAY, channel="email", categories=("BAKERY / BREAD / RYE",))
        for days in days_ago
    )


EXAMPLES = (
    Example("consent", "Nobody who did not agree to e-mail gets one.", state=State(consents=frozenset({"profiling"}))),
    Example(
        "holdout",
        "This shopper was drawn to get nothing, so that the others can be compared with somebody.",
        state=State(consents=AGREED.consents, arm="empty"),
    ),
    Example("eligibility", "What is sold out is not offered.", more={"stock": [0]}),
    Example(
        "unknown_category", "What the catalogue cannot place may be anything.", offers={"new": ["bread", "unheard-of"]}
    ),
    Example("never", "A pregnancy test goes to nobody.", 'never = ["tests"]', {"kit": ["bread", "kit"]}, (("kit", 3),)),
    Example("age", "Wine goes to those who were verified to be of age.", 'adults_only = ["wine"]', {"wine": ["wine"]}),
    Example(
        "only_if_purchased",
        "One bottle in half a year does not make a buyer of wine.",
        '[[only_if_purchased]]\ngroups = ["wine"]\nmin_days = 2\nwithin_days = 180',
        {"wine": ["wine"]},
        (("wine", 20),),
    ),
    Example(
        "past_purchase_trap",
        "Nappies bought once were a gift.",
        '[[past_purchase_trap]]\ngroups = ["baby"]\nmin_days = 3',
        {"nappies": ["nappies"]},
        (("nappies", 9),),
    ),
    Example(
        "cool_down",
        "Who bought a kettle yesterday needs no other one.",
        '[[cool_down]]\ncategories = ["KETTLES"]\ndays = 90',
        {"kettle": ["kettle"]},
        (("kettle", 1),),
    ),
    Example(
        "dismissal",
        "The shopper said no to the brand.",
        offers={"kettle": ["kettle"]},
        state=State(
            consents=AGREED.consents, dismissals=(Dismissal(scope=DismissalScope.BRAND, value="BOIL", at=NOW - DAY),)
        ),
    ),
    Example(
        "fatigue",
        "Shown three times and ignored: it rests.",
        "[fatigue]\nafter = 3\nrest_days = 30",
        state=State(consents=AGREED.consents, exposures=shown("bread", 6, 4, 2)),
    ),
    Example(
        "frequency_cap",
        "Shown at 9 yesterday, not before 9 tomorrow: at most once in 48 hours.",
        '[[cap]]\nper = "offer"\nmax = 1\nhours = 48',
        state=State(consents=AGREED.consents, exposures=shown("bread", 1)),
    ),
    Example(
        "diversity",
        "One yoghurt is enough for one list: the second makes room for bread.",
        "[[diversity]]\nmax = 1\ndepth = 2",
        {"cherry": ["cherry"], "plain": ["plain"], "bread": ["bread"]},
    ),
)


def decided(example: Example) -> Decision:
    """Decide for the shopper: everything that a decision depends on is here."""
    names = list(example.offers)
    frame = pl.DataFrame({"offer_id": names, "items": list(example.offers.values()), "title": names, **example.more})
    policy = parse_policy(f"version = 1\n{example.policy}\n{GROUPS}".encode(), where=example.rule)
    book = open_offer_book(OFFERS.checked(frame, where="offers"), CATALOGUE, policy)

    rows = [(SHOPPER, item, (NOW - ago * DAY).date(), 1.0) for item, ago in example.bought]
    columns = {"subject": pl.String, "item": pl.String, "day": pl.Date, "quantity": pl.Float64}
    bought = pl.DataFrame(rows, schema=columns, orient="row")
    known = histories(bought, book.index, subjects=[SHOPPER])
    request = DecisionRequest(subject=SHOPPER, channel="email", count=2)
    situation = Situation([request], [example.state], known, book, NOW)

    every = np.arange(len(book.index), dtype=np.int32)  # item is a model item
    candidates = CandidateMap.of(book, every, np.ones(len(every)))
    learned = without_trapped(situation)
    model = ModelScores(
        candidates=candidates,
        items=np.linspace(1, 0, len(candidates.candidates), dtype=np.float32)[None],
        popular=np.linspace(0.5, 0, len(candidates.candidates), dtype=np.float32),
        known=np.diff(learned.offsets) > 0,
        learned=learned,
        names=Names(tuple(name if may else None for name, may in zip(book.index.names, book.nameable, strict=True))),
    )
    (decision,) = decide(situation, model, Versions("made-up@1", policy.policy_version), np.random.default_rng(0))
    return decision


def main() -> None:
    """Print each story, what was withheld and what goes out."""
    for example in EXAMPLES:
        made = decided(example)
        out = ", ".join(item.offer_id for item in made.items) or "nothing"
        sys.stdout.write(f"{example.rule}: {example.story}\n    withheld {made.withheld}; goes out: {out}\n")


if __name__ == "__main__":
    main()
