"""What another policy would do, for a few people: their lists under the policy that stands and under the other one."""

from __future__ import annotations

import datetime as dt
import re
from typing import Annotated, Final

import msgspec
import numpy as np

from recsys.contracts.decision import MAX_COUNT, Decision, DecisionRequest, Fill
from recsys.contracts.names import Channel, Name
from recsys.errors import PolicyError
from recsys.offer_book import open_offer_book
from recsys.policy.document import Policy
from recsys.policy.reading import parse_policy
from serving.active import Active
from serving.asking import Subject
from serving.stores import Store
from web.problems import misfit

MAX_SUBJECTS: Final = 20
MAX_POLICY: Final = 200_000  # characters
MAX_DOTS: Final = 100  # of one line: the parser takes a dotted key's length squared, for minutes if it is let


class SimulationAsk(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A policy, as the text of its TOML file, and the few people to try it on."""

    policy: Annotated[str, msgspec.Meta(max_length=MAX_POLICY)]
    subjects: Annotated[tuple[Subject, ...], msgspec.Meta(min_length=1, max_length=MAX_SUBJECTS)]
    channel: Channel
    placement: Name | None = None
    count: Annotated[int, msgspec.Meta(ge=1, le=MAX_COUNT)] = 10


class SimulatedList(msgspec.Struct, frozen=True, kw_only=True):
    """A list, and how many offers which rule withheld."""

    arm: str
    fill: Fill
    offers: tuple[str, ...]
    withheld: dict[str, int]


class SimulatedSubject(msgspec.Struct, frozen=True, kw_only=True):
    """One person's lists: as things stand, and as they would be."""

    subject: str
    stands: SimulatedList
    simulated: SimulatedList


class Simulation(msgspec.Struct, frozen=True, kw_only=True):
    """Nothing of it went out, and nothing was written down."""

    policy_version: str
    stands: str
    subjects: tuple[SimulatedSubject, ...]


def simulate(asked: SimulationAsk, active: Active, store: Store, now: dt.datetime) -> Simulation:
    """Decide twice for each of the people.

    Raises:
        ProblemError: The policy cannot be used; its text is not repeated.
        StoreError: The store does not answer.
    """
    policy = _policy(asked.policy)
    book = open_offer_book(active.offers, active.book.catalogue, policy)
    other = active.over(book)
    lists = [_lists(asked, each, store, now) for each in (active, other)]
    return Simulation(
        policy_version=policy.policy_version,
        stands=active.policy.policy_version,
        subjects=tuple(
            SimulatedSubject(subject=subject, stands=stands, simulated=simulated)
            for subject, stands, simulated in zip(asked.subjects, *lists, strict=True)
        ),
    )


def _lists(asked: SimulationAsk, active: Active, store: Store, now: dt.datetime) -> list[SimulatedList]:
    requests = [
        DecisionRequest(subject=subject, channel=asked.channel, placement=asked.placement, count=asked.count)
        for subject in asked.subjects
    ]
    known = store.read(asked.subjects, active.book.index)
    made = active.decides.decide(requests, known.histories, known.states, at=now, rng=np.random.default_rng(0))
    return [_list(decision) for decision in made]


def _list(decision: Decision) -> SimulatedList:
    return SimulatedList(
        arm=decision.arm,
        fill=decision.fill,
        offers=tuple(item.offer_id for item in decision.items),
        withheld=decision.withheld or {},
    )


def _policy(text: str) -> Policy:
    """The policy. What is wrong with it is told by its place only: its text was sent, and is not repeated."""
    if any(line.count(".") > MAX_DOTS for line in text.split("\n")):
        raise misfit("has a line that is no policy's: too many dots", "$.policy")
    try:
        return parse_policy(text.encode(), where="$.policy")
    except PolicyError as error:
        place = re.search(r"line \d+, column \d+", f"{error.where} {error.what}")
        at = f" ({place[0]})" if place else ""
        mend = "Try it with recsys-evaluate policy check, which says what is wrong"
        raise misfit(f"cannot be used as a policy{at}", "$.policy", mend) from None
