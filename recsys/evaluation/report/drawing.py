"""How plots look, and how they become text in a page: without a browser and without a network."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

import vl_convert

from recsys.evaluation.lazily import lazily

if TYPE_CHECKING:
    import altair as alt
else:
    alt = lazily("altair")

Rows = Sequence[Mapping[str, Any]]

INK: Final = "#1d2430"
BLUE: Final = "#0f5f8c"
ORANGE: Final = "#b4560f"
GREEN: Final = "#1a7a4c"
GREY: Final = "#767c89"
_SOFT: Final = "#5a6372"
_CLIP: Final = re.compile(r"\bclip\d+\b")
_THEME: Final[Mapping[str, Any]] = MappingProxyType(
    {
        "font": "Liberation Sans, Arial, Helvetica, sans-serif",
        "background": "transparent",
        "padding": {"left": 2, "top": 2, "bottom": 2, "right": 16},  # half of an axis's last label
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
        "legend": {"title": None, "orient": "top", "labelFontSize": 12, "labelColor": INK, "symbolType": "square"},
        "title": {"anchor": "start", "frame": "group", "color": INK, "fontSize": 14, "offset": 14},
    }
)


def svg(plot: alt.Chart | alt.LayerChart | alt.FacetChart, *, width: int, labels: int) -> str:
    """A plot as SVG text.

    Args:
        plot: What to draw.
        width: Of all of it, labels and titles included, in pixels.
        labels: The most that the names beside an axis may take of that.
    """
    theme = {**_THEME, "axis": {**_THEME["axis"], "labelLimit": labels}}
    drawn = plot.properties(width=width).configure(**theme).to_dict()
    return str(vl_convert.vegalite_to_svg(drawn, allowed_base_urls=[]))


def numbered_alike(page: str) -> str:
    """The page with the clip paths of its plots numbered from 1: the renderer counts for as long as a process lives."""
    numbers: dict[str, str] = {}
    return _CLIP.sub(lambda found: numbers.setdefault(found[0], f"clip-{len(numbers) + 1}"), page)
