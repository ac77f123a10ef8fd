"""Plots as SVG text, drawn without a browser and without a network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final

import altair as alt
import polars as pl
import vl_convert

_INK: Final = "#1d2430"
_SOFT: Final = "#5a6372"
_BLUE: Final = "#0f5f8c"
_SERIES: Final = ("#0f5f8c", "#b4560f", "#1a7a4c", "#767c89", "#7a3e9d")
_WIDTH: Final = 760
_ROW: Final = 26
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
            "labelLimit": 320,
            "gridColor": "#e3e6ea",
            "domain": False,
            "ticks": False,
            "labelPadding": 8,
        },
        "legend": {"title": None, "orient": "top", "labelFontSize": 12, "labelColor": _INK, "symbolType": "square"},
    }
)

_Rows = Sequence[Mapping[str, Any]]


def bars(rows: _Rows, axis: str) -> str:
    """Bars of `value` by `label`; side by side by `series` where the rows have it."""
    base = alt.Chart(pl.DataFrame(rows)).encode(y=_labels(), x=alt.X("value:Q", title=axis))
    several = "series" in rows[0]
    drawn = base.mark_bar(cornerRadiusEnd=2, color=_BLUE)
    height = _ROW * len({row["label"] for row in rows}) * (1.5 if several else 1) + 60
    if several:
        drawn = drawn.encode(color=_colours(), yOffset=alt.YOffset("series:N", sort=None))
    return _svg(drawn, height)


def forest(rows: _Rows, axis: str, *, zero: float = 0.0) -> str:
    """Points with intervals (`mean`, `low`, `high`) by `label`, beside the line of no difference."""
    base = alt.Chart(pl.DataFrame(rows)).encode(y=_labels())
    if "series" in rows[0]:
        base = base.encode(color=_colours(), yOffset=alt.YOffset("series:N", sort=None))
    none = alt.Chart(pl.DataFrame({"x": [zero]})).mark_rule(color=_INK, strokeDash=[3, 3]).encode(x="x:Q")
    scale = alt.Scale(zero=False)
    interval = base.mark_rule(strokeWidth=2).encode(x=alt.X("low:Q", title=axis, scale=scale), x2="high:Q")
    point = base.mark_point(filled=True, size=70, opacity=1).encode(x=alt.X("mean:Q", scale=scale))
    series = len({row.get("series") for row in rows})
    height = (_ROW + 12 * (series - 1)) * len({row["label"] for row in rows}) + 60
    return _svg(alt.layer(none, interval, point), height)


def lines(rows: _Rows, across: str, up: str) -> str:
    """Lines of `value` over `week`, one a `series`."""
    drawn = (
        alt.Chart(pl.DataFrame(rows))
        .mark_line(point=True, strokeWidth=2)
        .encode(
            x=alt.X("week:O", title=across, axis=alt.Axis(labelAngle=0, grid=False)),
            y=alt.Y("value:Q", title=up, scale=alt.Scale(zero=True)),
            color=_colours(),
            strokeDash=alt.StrokeDash("series:N", sort=None),
        )
    )
    return _svg(drawn, 300)


def _labels() -> alt.Y:
    return alt.Y("label:N", sort=None, title=None)


def _colours() -> alt.Color:
    return alt.Color("series:N", sort=None, scale=alt.Scale(range=list(_SERIES)))


def _svg(plot: alt.Chart | alt.LayerChart | alt.FacetChart, height: float) -> str:
    shown = plot.properties(width=_WIDTH, height=height).configure(**_CONFIG)
    return str(vl_convert.vegalite_to_svg(shown.to_dict(), allowed_base_urls=[]))
