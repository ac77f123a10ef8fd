"""From what happened to each shopper to means with intervals, by arm and by assumption."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from recsys.console import step
from recsys.evaluation.intervals import Estimate, bootstrap_means
from recsys.evaluation.policy_lab.judging import wanted
from recsys.evaluation.policy_lab.lab import Lab
from recsys.evaluation.policy_lab.simulation import WITHOUT, Log, Plan, Shoppers, simulate
from recsys.evaluation.policy_lab.simulation_results import ArmResult, Means, Setting, SimulationResult
from recsys.evaluation.policy_lab.variants import bare, certain
from recsys.evaluation.policy_lab.verdicts import eligible_pairs
from recsys.evaluation.splits import Window
from recsys.policy import Policy

_MEASURES: Final = ("exposures", "different", "repeats", "redemptions")
_BASE: Final = next(iter(WITHOUT))
NO_WEAR: Final = 1.0
_THOUSAND: Final = 1000


def run_simulation(
    lab: Lab, policy: Policy, rates: NDArray[np.float64], plan: Plan, *, horizon: int
) -> SimulationResult:
    """Every arm, with shoppers who tire as the plan says and with shoppers who never do.

    Args:
        lab: S shoppers before `standing` offers.
        policy: With all its rules.
        rates: float64 [S], redemptions a week.
        plan: How long, how often, how shoppers tire.
        horizon: How many days of real purchases, from the lab's day on, say which offers suited; none of a bundle that
            has seen them.
    """
    shoppers = Shoppers(rates, _wanted(lab, policy, horizon))
    arms: list[ArmResult] = []
    rng = np.random.default_rng(plan.seed)
    for wear in dict.fromkeys((plan.wear, NO_WEAR)):
        logs = {}
        for arm in WITHOUT:
            with step(f"Sending with {arm}, wear {wear}"):
                logs[arm] = simulate(lab, policy, arm, shoppers, replace(plan, wear=wear))
        arms += _arms(logs, wear, shoppers, rng)
    return SimulationResult(setting=_setting(lab, policy, shoppers, plan, horizon), arms=tuple(arms))


def _wanted(lab: Lab, policy: Policy, horizon: int) -> NDArray[np.bool_]:
    """Bool [S, O]: offers that cover what each really bought in the days after, whatever the policy says of them."""
    known = np.zeros((len(lab.subjects), len(lab.shop.offers)), np.bool_)
    if lab.shop.scorer.bundle.manifest.data.until <= lab.question.day:
        book = lab.book(bare(certain(policy)))
        found = wanted(lab, book, Window(lab.question.day, horizon), eligible_pairs(lab, book))
        known[found.rows] = found.relevant
    return known


def _setting(lab: Lab, policy: Policy, shoppers: Shoppers, plan: Plan, horizon: int) -> Setting:
    rates, responding = shoppers.rates, shoppers.rates > 0
    return Setting(
        bundle=lab.shop.scorer.bundle.model_version,
        policy_version=policy.policy_version,
        starts=lab.question.day,
        weeks=plan.weeks,
        sends_a_week=plan.sends,
        k=lab.question.count,
        channel=lab.question.channel,
        shoppers=len(lab.subjects),
        responding=int(responding.sum()),
        judged=int(shoppers.wanted.any(axis=1).sum()),
        horizon=horizon,
        offers=len(lab.shop.offers),
        redemptions_a_week=float(rates[responding].mean()) if responding.any() else 0.0,
        repeated_after=plan.repeated_after,
        seed=plan.seed,
    )


def _arms(logs: Mapping[str, Log], wear: float, shoppers: Shoppers, rng: np.random.Generator) -> list[ArmResult]:
    values = {arm: _totals(log) for arm, log in logs.items()}
    responding = shoppers.rates > 0
    kinds = {"all": np.ones(len(responding), np.bool_), "responding": responding, "ignoring": ~responding}
    judged = np.asarray(shoppers.wanted.any(axis=1))
    estimated = {kind: _means(values, members, judged, rng) for kind, members in kinds.items() if members.any()}
    return [
        ArmResult(
            arm=arm,
            wear=wear,
            shoppers={kind: of_kind[row] for kind, of_kind in estimated.items()},
            weekly_repeats=_ratio(log.repeats, log.exposures),
            weekly_redemptions=tuple((_THOUSAND * log.redemptions.mean(axis=0)).tolist()),
        )
        for row, (arm, log) in enumerate(logs.items())
    ]


def _totals(log: Log) -> NDArray[np.float64]:
    """float64 [S, measures and the share that was right]."""
    weekly = (log.exposures, log.repeats, log.redemptions, log.right)
    exposures, repeats, redemptions, right = (one.sum(axis=1) for one in weekly)
    return np.stack([exposures, log.different, repeats, redemptions, right / np.maximum(exposures, 1)], axis=1)


def _means(
    values: Mapping[str, NDArray[np.float64]],
    members: NDArray[np.bool_],
    judged: NDArray[np.bool_],
    rng: np.random.Generator,
) -> list[Means]:
    """One for each arm, of some of the shoppers."""
    width = len(_MEASURES)
    rows = _with_changes({arm: of_arm[members, :width] for arm, of_arm in values.items()}, rng)
    known = members & judged
    right = _with_changes({arm: of_arm[known, width:] for arm, of_arm in values.items()}, rng) if known.any() else None
    found = []
    for place, (means, changes) in enumerate(rows):
        named = dict(zip(_MEASURES, means, strict=True))
        change = dict(zip(_MEASURES, changes, strict=True))
        suited = None
        if right is not None:
            ((suited,), (change["right"],)) = right[place]
        found.append(Means(**named, right=suited, change=change))
    return found


def _with_changes(
    values: Mapping[str, NDArray[np.float64]], rng: np.random.Generator
) -> list[tuple[list[Estimate], list[Estimate]]]:
    """For each arm the means of its columns, and the arm minus the first one."""
    chosen: Sequence[NDArray[np.float64]] = list(values.values())
    found = bootstrap_means(np.concatenate([*chosen, *(one - values[_BASE] for one in chosen)], axis=1), rng)
    width = chosen[0].shape[1]
    rows = [found[at : at + width] for at in range(0, len(found), width)]
    return list(zip(rows[: len(chosen)], rows[len(chosen) :], strict=True))


def _ratio(part: NDArray[np.float64], whole: NDArray[np.float64]) -> tuple[float, ...]:
    return tuple((part.sum(axis=0) / np.maximum(whole.sum(axis=0), 1)).tolist())
