"""From what happened to each shopper to means with intervals, by arm and by assumption."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from recsys.console import step
from recsys.evaluation.intervals import bootstrap_means
from recsys.evaluation.policy_lab.lab import Lab
from recsys.evaluation.policy_lab.simulation import WITHOUT, Log, Plan, simulate
from recsys.evaluation.policy_lab.simulation_results import ArmResult, Means, Setting, SimulationResult
from recsys.policy import Policy

_MEASURES: Final = ("exposures", "different", "repeats", "redemptions")
_BASE: Final = next(iter(WITHOUT))
NO_WEAR: Final = 1.0
_THOUSAND: Final = 1000


def run_simulation(lab: Lab, policy: Policy, rates: NDArray[np.float64], plan: Plan) -> SimulationResult:
    """Every arm, with shoppers who tire as the plan says and with shoppers who never do.

    Args:
        lab: S shoppers before `standing` offers.
        policy: With all its rules.
        rates: float64 [S], redemptions a week.
        plan: How long, how often, how shoppers tire.
    """
    arms: list[ArmResult] = []
    rng = np.random.default_rng(plan.seed)
    for wear in dict.fromkeys((plan.wear, NO_WEAR)):
        logs = {}
        for arm in WITHOUT:
            with step(f"Sending with {arm}, wear {wear}"):
                logs[arm] = simulate(lab, policy, arm, rates, replace(plan, wear=wear))
        arms += _arms(logs, wear, rates, rng)
    return SimulationResult(setting=_setting(lab, policy, rates, plan), arms=tuple(arms))


def _setting(lab: Lab, policy: Policy, rates: NDArray[np.float64], plan: Plan) -> Setting:
    responding = rates > 0
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
        offers=len(lab.shop.offers),
        redemptions_a_week=float(rates[responding].mean()) if responding.any() else 0.0,
        repeated_after=plan.repeated_after,
        seed=plan.seed,
    )


def _arms(
    logs: Mapping[str, Log], wear: float, rates: NDArray[np.float64], rng: np.random.Generator
) -> list[ArmResult]:
    values = {arm: _totals(log) for arm, log in logs.items()}
    kinds = {"all": np.ones(len(rates), np.bool_), "responding": rates > 0, "ignoring": rates <= 0}
    estimated = {kind: _means(values, members, rng) for kind, members in kinds.items() if members.any()}
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
    """float64 [S, measures], in the order of `_MEASURES`."""
    weekly = (log.exposures, log.repeats, log.redemptions)
    exposures, repeats, redemptions = (one.sum(axis=1) for one in weekly)
    return np.stack([exposures, log.different, repeats, redemptions], axis=1)


def _means(
    values: Mapping[str, NDArray[np.float64]], members: NDArray[np.bool_], rng: np.random.Generator
) -> list[Means]:
    """One for each arm, of some of the shoppers."""
    chosen: Sequence[NDArray[np.float64]] = [of_arm[members] for of_arm in values.values()]
    base = values[_BASE][members]
    found = bootstrap_means(np.concatenate([*chosen, *(of_arm - base for of_arm in chosen)], axis=1), rng)
    width = len(_MEASURES)
    rows = [dict(zip(_MEASURES, found[at : at + width], strict=True)) for at in range(0, len(found), width)]
    arms = len(chosen)
    return [Means(**means, change=change) for means, change in zip(rows[:arms], rows[arms:], strict=True)]


def _ratio(part: NDArray[np.float64], whole: NDArray[np.float64]) -> tuple[float, ...]:
    return tuple((part.sum(axis=0) / np.maximum(whole.sum(axis=0), 1)).tolist())
