"""The page of a drift: what has changed, by how much, and whether to learn again. Offline, as the ranking's."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final

from markupsafe import Markup

from recsys.evaluation.drift import CHANGED, STABLE, Verdict
from recsys.evaluation.drifting import DriftResult
from recsys.evaluation.report import words
from recsys.evaluation.report.charts import movers_chart
from recsys.evaluation.report.template import render

_TEMPLATE: Final = Path(__file__).with_name("drift.html.jinja")
_KINDS: Final[Mapping[Verdict, str]] = MappingProxyType(
    {Verdict.STABLE: "better", Verdict.SHIFTED: "unclear", Verdict.CHANGED: "worse"}
)


def drift_page(result: DriftResult) -> str:
    """Render the page."""
    last = dt.timedelta(days=result.horizon - 1)
    return render(
        _TEMPLATE,
        result=result,
        words=words,
        kinds=_KINDS,
        thresholds=(STABLE, CHANGED),
        periods=[(words.day(first), words.day(first + last)) for first in (result.before, result.after)],
        chart=Markup(movers_chart([(share.name, share.before, share.after) for share in result.movers])),  # noqa: S704 - escaped by the renderer
        told="; ".join(
            f"{share.name}: {100 * share.before:.2f} to {100 * share.after:.2f} %" for share in result.movers
        ),
    )
