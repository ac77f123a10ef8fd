"""Plots as SVG text, one a task, drawn without a browser and without a network."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

import altair as alt
import polars as pl
import vl_convert

from recsys.evaluation.report.words import EN_DASH, MODELS, TASKS, finding, signed
from recsys.evaluation.results import BUNDLE, GP_POP, POPULARITY, RankingResult

COLOURS: Final[Mapping[str, str]] = MappingProxyType({POPULARITY: "#767c89", GP_POP: "#b4560f", BUNDLE: "#0f5f8c"})
_SHAPES: Final[Mapping[str, str]] = MappingProxyType({POPULARITY: "square", GP_POP: "triangle-up", BUNDLE: "circle"})
_FINDINGS: Final[Mapping[str, str]] = MappingProxyType({"better": "#1a7a4c", "worse": "#b3261e", "unclear": "#767c89"})
_INK: Final = "#1d2430"
_SOFT: Final = "#5a6372"
_WIDTH: Final = 404  # with labels and titles; two plots stand side by side
_CONFIG: Final[Mapping[str, Any]] = MappingProxyType(
    {
        "font": "Liberation Sans, Arial, Helvetica, sans-serif",
        "background": "transparent",
        "padding": 2,
        "autosize": {"type": "fit", "contains": "padding"},
        "view": {"stroke": None},
        "axis": {
            "labelColor": _SOFT,
            "titleColor": _SOFT,
            "titleFontWeight": "normal",
            "labelFontSize": 12,
            "titleFontSize": 12,
            "titlePadding": 10,
            "gridColor": "#e3e6ea",
            "domain": False,
            "ticks": False,
            "labelPadding": 8,
            "labelFlush": False,
        },
        "title": {"anchor": "start", "frame": "group", "color": _INK, "fontSize": 14, "offset": 14},
    }
)

_Rows = list[dict[str, Any]]
_Plot = alt.LayerChart | alt.FacetChart  # altair says either; without a facet it is layers


def models_charts(result: RankingResult) -> list[str]:
    """Bars: mean NDCG of each model with its interval."""
    rows: _Rows = [
        {
            "task": figure.task,
            "model": MODELS[figure.model],
            "label": f"{figure.estimate.mean:.3f}",
            **_span(figure.estimate.mean, figure.estimate.low, figure.estimate.high),
        }
        for figure in result.figures
        if figure.metric == "ndcg"
    ]
    return _drawn(rows, _bars)


def differences_charts(result: RankingResult) -> list[str]:
    """Points: the bundle's paired difference in NDCG to each baseline, beside the line of no difference."""
    rows: _Rows = [
        {
            "task": difference.task,
            "model": f"against {MODELS[difference.baseline]}",
            "label": signed(difference.estimate.mean),
            "finding": finding(difference.estimate),
            "outer": difference.estimate.low if difference.estimate.mean < 0 else difference.estimate.high,
            **_span(difference.estimate.mean, difference.estimate.low, difference.estimate.high),
        }
        for difference in result.differences
        if difference.metric == "ndcg"
    ]
    return _drawn(rows, _forest)


def history_charts(result: RankingResult) -> list[str]:
    """Lines: mean NDCG of each model by how many shopping days a customer had before the window."""
    rows: _Rows = [
        {
            "task": group.task,
            "model": MODELS[group.model],
            "group": f"{group.from_days}{EN_DASH}{group.to_days}",
            **_span(group.estimate.mean, group.estimate.low, group.estimate.high),
        }
        for group in result.by_history
    ]
    return _drawn(rows, _lines)


def _span(mean: float, low: float, high: float) -> dict[str, float]:
    return {"mean": mean, "low": low, "high": high}


def _drawn(rows: _Rows, plot: Callable[[_Rows, str], _Plot]) -> list[str]:
    """One plot a task, each with an axis of its own: the tasks are not equally hard."""
    of_tasks = {task: [row for row in rows if row["task"] == task] for task in TASKS}
    plots = [plot(of_task, TASKS[task]) for task, of_task in of_tasks.items() if of_task]
    return [_svg(drawn.properties(width=_WIDTH).configure(**_CONFIG)) for drawn in plots]


def _svg(plot: _Plot) -> str:
    return str(vl_convert.vegalite_to_svg(plot.to_dict(), allowed_base_urls=[]))


def _names() -> alt.Y:
    return alt.Y("model:N", sort=None, title=None)


def _from_zero(rows: _Rows, *, room: float) -> alt.Scale:
    """From zero to the highest end of the intervals and some room beyond it."""
    return alt.Scale(domain=[0, (1 + room) * max(row["high"] for row in rows)], nice=False)


def _around_zero(rows: _Rows) -> alt.Scale:
    """From the lowest to the highest end of the intervals and of zero, with room for the labels outside."""
    low, high = min(0, *(row["low"] for row in rows)), max(0, *(row["high"] for row in rows))
    room = 0.35 * (high - low)
    return alt.Scale(domain=[low - room * (low < 0), high + room * (high > 0)], nice=False)


def _colour() -> alt.Color:
    return alt.Color("model:N", scale=_scale(COLOURS), legend=None)


def _scale(of_models: Mapping[str, str]) -> alt.Scale:
    return alt.Scale(domain=[MODELS[model] for model in of_models], range=list(of_models.values()))


def _bars(rows: _Rows, title: str) -> _Plot:
    base = alt.Chart(pl.DataFrame(rows), title=title).encode(y=_names())
    axis = alt.X("mean:Q", title="NDCG@10", scale=_from_zero(rows, room=0.22), axis=alt.Axis(tickCount=5))
    bars = base.mark_bar(height=26, cornerRadiusEnd=3).encode(x=axis, color=_colour())
    edge = base.mark_rule(color="white", strokeWidth=4.6).encode(x="low:Q", x2="high:Q")
    interval = base.mark_rule(color=_INK, strokeWidth=1.6).encode(x="low:Q", x2="high:Q")
    label = base.mark_text(align="left", dx=8, fontSize=13, fontWeight="bold", color=_INK).encode(
        x="high:Q", text="label:N"
    )
    return alt.layer(bars, edge, interval, label, height=62 + 42 * len(rows))


def _forest(rows: _Rows, title: str) -> _Plot:
    base = alt.Chart(pl.DataFrame(rows), title=title).encode(
        y=_names(),
        color=alt.Color(
            "finding:N", scale=alt.Scale(domain=list(_FINDINGS), range=list(_FINDINGS.values())), legend=None
        ),
    )
    none = alt.Chart(pl.DataFrame({"x": [0]})).mark_rule(color=_INK, strokeWidth=1.2).encode(x="x:Q")
    axis = alt.X(
        "low:Q",
        title="difference in NDCG@10",
        scale=_around_zero(rows),
        axis=alt.Axis(tickCount=4, format=".3~f"),
    )
    interval = base.mark_rule(strokeWidth=2.4).encode(x=axis, x2="high:Q")
    point = base.mark_point(filled=True, size=110, opacity=1).encode(x="mean:Q")
    outwards = alt.expr("datum.mean < 0 ? 'right' : 'left'")
    label = base.mark_text(
        align=outwards, dx=alt.expr("datum.mean < 0 ? -8 : 8"), fontSize=13, fontWeight="bold"
    ).encode(x="outer:Q", text="label:N")
    return alt.layer(none, interval, point, label, height=72 + 36 * len(rows))


def _lines(rows: _Rows, title: str) -> _Plot:
    base = alt.Chart(pl.DataFrame(rows), title=title).encode(
        x=alt.X("group:O", sort=None, title="shopping days before the window", axis=alt.Axis(labelAngle=0, grid=False)),
        xOffset=alt.XOffset("model:N", sort=None, scale=alt.Scale(paddingOuter=1)),
        color=_colour(),
    )
    path = base.mark_line(strokeWidth=1.4, opacity=0.45).encode(
        y=alt.Y("mean:Q", title="NDCG@10", axis=alt.Axis(tickCount=5), scale=_from_zero(rows, room=0.12))
    )
    interval = base.mark_rule(strokeWidth=2, opacity=0.7).encode(y="low:Q", y2="high:Q")
    point = base.mark_point(filled=True, size=80, opacity=1).encode(
        y="mean:Q", shape=alt.Shape("model:N", scale=_scale(_SHAPES), legend=None)
    )
    return alt.layer(path, interval, point, height=290)
