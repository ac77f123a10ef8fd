"""A simulation, for a person; its assumptions stand on the page."""

from __future__ import annotations

from typing import Final

from recsys.evaluation.intervals import RESAMPLES
from recsys.evaluation.policy_lab.pages.charts import lines
from recsys.evaluation.policy_lab.pages.views import Plot, Report, Section, Table, change, number, percent, whole_change
from recsys.evaluation.policy_lab.simulation_results import ArmResult, Setting, SimulationResult
from recsys.evaluation.report.words import EN_DASH, PERCENT, day

_BASE: Final = "neither"


def simulation_report(result: SimulationResult) -> Report:
    """The page and its tables."""
    setting = result.setting
    wears = list(dict.fromkeys(arm.wear for arm in result.arms))
    by_wear = [_results(setting, [arm for arm in result.arms if arm.wear == wear], wear) for wear in wears]
    return Report(
        title="What do fatigue and caps do over time?",
        lead=f"{setting.policy_version}: {setting.weeks} weeks from {day(setting.starts)}, {setting.sends_a_week} "
        f"lists of {setting.k} a week by {setting.channel}, {setting.shoppers:,} shoppers",
        care=(
            (
                "This is a simulation. How often shoppers redeem is real; how they tire is assumed, and it decides "
                "what the rules are worth. Both ends are shown: shoppers who tire, and shoppers who never do."
            ),
            (
                "A rest does not refresh anybody here: an offer that comes back is as worn as it went. If people "
                "forget, resting is worth more than shown."
            ),
            (
                "Any offer is as likely to be redeemed as any other here, however well it suits: the eightieth best "
                "as the best. Rules that bring in the next best look too good by it. “Right” says what that costs: "
                "the share of the showings that covers what the shopper really bought"
                + (f" in the {setting.horizon} days after." if setting.judged else "; it is not known here.")
            ),
            "Shoppers who ignored everything in the real year ignore everything here.",
        ),
        sections=(_assumptions(setting, wears), *by_wear),
        facts=(
            (
                f"Bundle {setting.bundle}. Deterministic: the same files and seed ({setting.seed}), the same page. "
                f"Intervals: 95{PERCENT}, percentile bootstrap over shoppers, {RESAMPLES:,} resamples; changes are "
                "paired."
            ),
        ),
    )


def _assumptions(setting: Setting, wears: list[float]) -> Section:
    ignoring = setting.shoppers - setting.responding
    tiring = next((wear for wear in wears if wear < 1), None)
    return Section(
        title="What was assumed",
        text=(
            (
                f"Who responds: {setting.responding:,} of the {setting.shoppers:,} shoppers had redeemed something in "
                f"the data, {setting.redemptions_a_week:.3f} times a week on average; each keeps their own rate. The "
                f"other {ignoring:,} had not, and respond to nothing."
            ),
            (
                f"How: a showing is redeemed with the chance rate / ({setting.sends_a_week} · {setting.k}), so that a "
                "shopper who is shown something new in every place redeems as often as they really do. An offer is "
                "redeemed once."
            ),
            (
                f"How they tire: each showing in a row without a response multiplies the chance by {tiring}; and "
                "again without any tiring."
                if tiring is not None
                else "Nobody tires."
            ),
            (
                "What stands still: the offers, valid and in stock throughout; histories and scores of the first "
                "day; nobody buys, consents or dismisses anything. What moves: exposures and redemptions. Every list "
                "is made by the code that serves."
            ),
            (
                f"Repeat: a showing of an offer that had been ignored {setting.repeated_after} times in a row or "
                "more, or that the shopper had redeemed."
            ),
        ),
    )


def _results(setting: Setting, arms: list[ArmResult], wear: float) -> Section:
    tired = f"each ignored showing leaves {wear:g} of the chance" if wear < 1 else "nobody tires"
    name = "wear" if wear < 1 else "no-wear"
    series = [
        Plot(
            lines(rows, "week", axis),
            "; ".join(f"{row['series']}, week {row['week']}: {row['value']:.2f}" for row in rows),
            caption,
        )
        for rows, axis, caption in (
            (_weekly(arms, "weekly_repeats", 100.0), f"repeats,{PERCENT} of the week's showings", "Repeats by week."),
            (
                _weekly(arms, "weekly_redemptions", 1.0),
                "expected redemptions a thousand shoppers",
                "Redemptions by week.",
            ),
        )
    ]
    return Section(
        title=f"If {tired}",
        tables=(
            Table(
                f"simulation-{name}",
                f"A shopper, in {setting.weeks} weeks ({tired})",
                ("rules", "showings", "different offers", "repeats", "redemptions", "right, %"),
                tuple(_row(arm, "all") for arm in arms),
            ),
            Table(
                f"simulation-{name}-kinds",
                f"Responding and ignoring shoppers ({tired}); changes are against neither rule",
                ("rules, shoppers", "repeats", "change", "redemptions", "change"),
                tuple(row for arm in arms for row in _kinds(arm)),
            ),
        ),
        plots=tuple(series),
    )


def _row(arm: ArmResult, kind: str) -> tuple[str, ...]:
    means = arm.shoppers[kind]
    return (
        arm.arm,
        number(means.exposures, 0),
        number(means.different, 0),
        number(means.repeats, 0),
        number(means.redemptions, 3),
        EN_DASH if means.right is None else percent(means.right),
    )


def _kinds(arm: ArmResult) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = []
    for kind in ("responding", "ignoring"):
        if kind in arm.shoppers:
            means = arm.shoppers[kind]
            changes = (
                (EN_DASH, EN_DASH)
                if arm.arm == _BASE
                else (whole_change(means.change["repeats"]), change(means.change["redemptions"], 3))
            )
            cells = (number(means.repeats, 0), changes[0], number(means.redemptions, 3), changes[1])
            rows.append((f"{arm.arm}, {kind}", *cells))
    return rows


def _weekly(arms: list[ArmResult], field: str, by: float) -> list[dict[str, object]]:
    return [
        {"series": arm.arm, "week": week, "value": by * value}
        for arm in arms
        for week, value in enumerate(getattr(arm, field), start=1)
    ]
