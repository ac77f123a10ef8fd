"""The plots of the policy lab, as SVG text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import polars as pl

from recsys.evaluation.lazily import lazily
from recsys.evaluation.report.drawing import BLUE, GREEN, GREY, INK, ORANGE, Rows, svg

if TYPE_CHECKING:
    import altair as alt
else:
    alt = lazily("altair")

_SERIES: Final = (BLUE, ORANGE, GREEN, GREY, "#7a3e9d", "#b3261e", INK)
_IN_A_ROW: Final = 4  # names of a legend
_WIDTH: Final = 760
_LABELS: Final = 320
_ROW: Final = 26


def bars(rows: Rows, axis: str) -> str:
    """Bars of `value` by `label`; side by side by `series` where the rows have it."""
    base = alt.Chart(pl.DataFrame(rows)).encode(y=_labels(), x=alt.X("value:Q", title=axis))
    several = "series" in rows[0]
    drawn = base.mark_bar(cornerRadiusEnd=2, color=BLUE)
    height = _ROW * len({row["label"] for row in rows}) * (1.5 if several else 1) + 60
    if several:
        drawn = drawn.encode(color=_colours(), yOffset=alt.YOffset("series:N", sort=None))
    return _drawn(drawn, height)


def forest(rows: Rows, axis: str, *, zero: float = 0.0) -> str:
    """Points with intervals (`mean`, `low`, `high`) by `label`, beside the line of no difference."""
    base = alt.Chart(pl.DataFrame(rows)).encode(y=_labels())
    if "series" in rows[0]:
        base = base.encode(color=_colours(), yOffset=alt.YOffset("series:N", sort=None))
    else:
        base = base.encode(color=alt.value(BLUE))
    none = alt.Chart(pl.DataFrame({"x": [zero]})).mark_rule(color=INK, strokeDash=[3, 3]).encode(x="x:Q")
    scale = alt.Scale(zero=False)
    interval = base.mark_rule(strokeWidth=2).encode(x=alt.X("low:Q", title=axis, scale=scale), x2="high:Q")
    point = base.mark_point(filled=True, size=70, opacity=1).encode(x=alt.X("mean:Q", scale=scale))
    series = len({row.get("series") for row in rows})
    height = (_ROW + 12 * (series - 1)) * len({row["label"] for row in rows}) + 60
    return _drawn(alt.layer(none, interval, point), height)


def matrix(rows: Rows) -> str:
    """A square for each pair of `label` and `other`, the darker the larger `value`, with the number in it."""
    names = list(dict.fromkeys(row["label"] for row in rows))
    base = alt.Chart(pl.DataFrame(rows)).encode(
        y=alt.Y("label:N", sort=names, title=None),
        x=alt.X("other:N", sort=names, title=None, axis=alt.Axis(orient="top", labelAngle=-30)),
    )
    scale = alt.Scale(type="sqrt", range=["#eef3f7", BLUE])
    cells = base.mark_rect(stroke="white", strokeWidth=2).encode(color=alt.Color("value:Q", scale=scale, legend=None))
    light = alt.expr(f"sqrt(datum.value) > {0.5 * max(row['value'] for row in rows) ** 0.5} ? 'white' : '{INK}'")
    numbers = base.mark_text(fontSize=12, color=light).encode(text=alt.Text("value:Q", format=","))
    return _drawn(alt.layer(cells, numbers), 34 * len(names) + 90)


def lines(rows: Rows, across: str, up: str) -> str:
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
    return _drawn(drawn, 300)


def _labels() -> alt.Y:
    return alt.Y("label:N", sort=None, title=None)


def _colours() -> alt.Color:
    scale, legend = alt.Scale(range=list(_SERIES)), alt.Legend(columns=_IN_A_ROW)
    return alt.Color("series:N", sort=None, scale=scale, legend=legend)


def _drawn(plot: alt.Chart | alt.LayerChart | alt.FacetChart, height: float) -> str:
    return svg(plot.properties(height=height), width=_WIDTH, labels=_LABELS)
