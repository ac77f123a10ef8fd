"""The plots of a ranking, one a task, and of a drift, as SVG text."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

import polars as pl

from recsys.contracts.runs import Task
from recsys.evaluation.lazily import lazily
from recsys.evaluation.report import pick, words
from recsys.evaluation.report.drawing import BLUE, GREEN, GREY, INK, ORANGE, svg
from recsys.evaluation.results import Difference, RankingResult

if TYPE_CHECKING:
    import altair as alt

    _Plot = alt.LayerChart | alt.FacetChart  # altair says either; without a facet it is layers
else:
    alt = lazily("altair")

OWN: Final = BLUE  # the candidate
LEARNED: Final = ORANGE
COUNTED: Final = GREY
_FINDINGS: Final[Mapping[str, str]] = MappingProxyType({"better": GREEN, "worse": "#b3261e", "unclear": GREY})
_WIDTH: Final = 404  # two plots stand side by side
_LABELS: Final = 170

_Rows = list[dict[str, Any]]


def colours(result: RankingResult) -> dict[str, str]:
    """The colour of each model: the candidate, what is learned, what is only counted."""
    return {
        model.name: OWN if model.role == "candidate" else LEARNED if model.learned else COUNTED
        for model in result.run.models
    }


def titles(result: RankingResult) -> dict[str, str]:
    """What each model is called."""
    return {model.name: model.title for model in result.run.models}


def models_charts(result: RankingResult) -> list[str]:
    """Bars: mean NDCG of each model with its interval."""
    named, coloured = titles(result), colours(result)
    return _drawn(
        result,
        lambda task: [
            {
                "row": named[figure.model],
                "label": f"{figure.estimate.mean:.3f}",
                "colour": coloured[figure.model],
                "mean": figure.estimate.mean,
                "low": figure.estimate.low,
                "high": figure.estimate.high,
            }
            for figure in pick.figures(result, task)
        ],
        _bars,
    )


def differences_charts(result: RankingResult) -> list[str]:
    """Points: the candidate's paired difference in NDCG to each baseline, beside the line of no difference."""
    named = titles(result)
    return _drawn(
        result, lambda task: [_row(d, f"against {named[d.baseline]}") for d in pick.differences(result, task)], _forest
    )


def windows_charts(result: RankingResult) -> list[str]:
    """Points: the difference to the strongest baseline in each window, and over all of them."""

    def rows(task: Task) -> _Rows:
        found = pick.against(result, task, pick.strongest(result, task))
        return [_row(d, d.window or words.MEAN) for d in found if d.segment == "all"]

    return _drawn(result, rows, _forest)


def segments_charts(result: RankingResult) -> list[str]:
    """Points: the difference to the strongest baseline in each segment, over all windows."""

    def rows(task: Task) -> _Rows:
        found = pick.against(result, task, pick.strongest(result, task))
        return [_row(d, words.SEGMENTS[d.segment]) for d in found if d.window is None]

    return _drawn(result, rows, _forest)


def movers_chart(shares: Sequence[tuple[str, float, float]]) -> str:
    """Lines from a share before to a share after, one a name."""
    rows = [{"row": name, "before": 100 * before, "after": 100 * after} for name, before, after in shares]
    base = alt.Chart(pl.DataFrame(rows)).encode(y=alt.Y("row:N", sort=None, title=None))
    axis = alt.X("before:Q", title="share of purchases, %", scale=alt.Scale(nice=True, zero=True))
    path = base.mark_rule(strokeWidth=2, color=COUNTED).encode(x=axis, x2="after:Q")
    old = base.mark_point(filled=True, size=70, opacity=1, color=COUNTED).encode(x="before:Q")
    new = base.mark_point(filled=True, size=110, opacity=1, color=OWN).encode(x="after:Q")
    return svg(alt.layer(path, old, new, height=60 + 26 * len(rows)), width=2 * _WIDTH, labels=_LABELS)


def _row(difference: Difference, name: str) -> dict[str, Any]:
    estimate = difference.estimate
    return {
        "row": name,
        "label": words.signed(estimate.mean),
        "colour": _FINDINGS[words.finding(difference)],
        "outer": estimate.low if estimate.mean < 0 else estimate.high,
        "mean": estimate.mean,
        "low": estimate.low,
        "high": estimate.high,
    }


def _drawn(result: RankingResult, rows: Callable[[Task], _Rows], plot: Callable[[_Rows, str, int], _Plot]) -> list[str]:
    """One plot a task, each with an axis of its own: the tasks are not equally hard."""
    plots = [plot(rows(task), words.TASKS[task], result.run.k) for task in pick.tasks(result)]
    return [svg(drawn, width=_WIDTH, labels=_LABELS) for drawn in plots]


def _base(rows: _Rows, title: str) -> alt.Chart:
    colour = alt.Color("colour:N", scale=None, legend=None)
    return alt.Chart(pl.DataFrame(rows), title=title).encode(y=alt.Y("row:N", sort=None, title=None), color=colour)


def _bars(rows: _Rows, title: str, k: int) -> _Plot:
    base = _base(rows, title)
    scale = alt.Scale(domain=[0, 1.22 * max(row["high"] for row in rows)], nice=False)  # with room for the labels
    axis = alt.X("mean:Q", title=words.metric("ndcg", k), scale=scale, axis=alt.Axis(tickCount=5))
    bars = base.mark_bar(height=18, cornerRadiusEnd=3).encode(x=axis)
    edge = base.mark_rule(strokeWidth=4.6).encode(x="low:Q", x2="high:Q", color=alt.value("white"))
    interval = base.mark_rule(strokeWidth=1.6).encode(x="low:Q", x2="high:Q", color=alt.value(INK))
    label = base.mark_text(align="left", dx=8, fontSize=13, fontWeight="bold").encode(
        x="high:Q", text="label:N", color=alt.value(INK)
    )
    return alt.layer(bars, edge, interval, label, height=62 + 30 * len(rows))


def _forest(rows: _Rows, title: str, k: int) -> _Plot:
    base = _base(rows, title)
    none = alt.Chart(pl.DataFrame({"x": [0]})).mark_rule(color=INK, strokeWidth=1.2).encode(x="x:Q")
    axis = alt.X(
        "low:Q",
        title=f"difference in {words.metric('ndcg', k)}",
        scale=_around_zero(rows),
        axis=alt.Axis(tickCount=4, format=".3~f"),
    )
    interval = base.mark_rule(strokeWidth=2.4).encode(x=axis, x2="high:Q")
    point = base.mark_point(filled=True, size=90, opacity=1).encode(x="mean:Q")
    outwards = alt.expr("datum.mean < 0 ? 'right' : 'left'")
    label = base.mark_text(
        align=outwards, dx=alt.expr("datum.mean < 0 ? -8 : 8"), fontSize=13, fontWeight="bold"
    ).encode(x="outer:Q", text="label:N")
    return alt.layer(none, interval, point, label, height=72 + 28 * len(rows))


def _around_zero(rows: _Rows) -> alt.Scale:
    """From the lowest to the highest end of the intervals and of zero, with room for the labels outside."""
    low, high = min(0, *(row["low"] for row in rows)), max(0, *(row["high"] for row in rows))
    room = 0.35 * (high - low)
    return alt.Scale(domain=[low - room * (low < 0), high + room * (high > 0)], nice=False)
