"""What `policy simulate` finds, as a document that outlives the run: `simulation.json`."""

from __future__ import annotations

import datetime as dt
from typing import Annotated

import msgspec

from recsys.evaluation.intervals import Estimate


class _Part(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A part of the document."""


class Setting(_Part, frozen=True, kw_only=True):
    """What was assumed, and of whom."""

    bundle: str
    policy_version: str
    starts: dt.date
    weeks: int
    sends_a_week: int
    k: int
    channel: str
    shoppers: int
    responding: int  # of them, with at least one real redemption
    judged: int  # of them, who really bought something that an offer covers in the days after; 0: it is not known
    horizon: int  # how many days after
    offers: int
    redemptions_a_week: float  # of a responding shopper, real, on average
    repeated_after: int
    seed: int


class Means(_Part, frozen=True, kw_only=True):
    """Means over shoppers, for the whole time. `change`: minus the arm without both rules, paired.

    `right`: of the showings to the judged, the share that covers what they really bought; null where nobody is.
    """

    exposures: Estimate
    different: Estimate  # offers that a shopper was shown at least once
    repeats: Estimate  # exposures of an offer that had been ignored `repeated_after` times in a row, or was used up
    redemptions: Estimate  # expected: the sum of the chances
    right: Estimate | None
    change: dict[str, Estimate]


class ArmResult(_Part, frozen=True, kw_only=True):
    """One way to send, under one assumption of how shoppers tire.

    `wear`: what each ignored showing in a row does to the chance. By `shoppers`: all, responding, ignoring.
    """

    arm: str
    wear: float
    shoppers: dict[str, Means]
    weekly_repeats: tuple[float, ...]  # share of the week's exposures
    weekly_redemptions: tuple[float, ...]  # expected, a thousand shoppers


class SimulationResult(_Part, frozen=True, kw_only=True):
    """`simulation.json`."""

    contract: Annotated[str, msgspec.Meta(pattern=r"^policy-simulation/2$")] = "policy-simulation/2"
    setting: Setting
    arms: tuple[ArmResult, ...]
