"""The page of a ranking: one HTML file that a category manager can read, offline and on paper."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Final

from markupsafe import Markup

from recsys.evaluation.metrics import METRICS
from recsys.evaluation.report import words
from recsys.evaluation.report.charts import (
    colours,
    differences_charts,
    models_charts,
    segments_charts,
    windows_charts,
)
from recsys.evaluation.report.remarks import remarks
from recsys.evaluation.report.template import render
from recsys.evaluation.report.views import alternatives, difference_rows, figure_rows, segment_rows, task_views
from recsys.evaluation.results import RankingResult
from recsys.evaluation.segments import HEAD

_TEMPLATE: Final = Path(__file__).with_name("ranking.html.jinja")


def ranking_page(result: RankingResult) -> str:
    """Render the page."""
    drawn = {
        "models": models_charts(result),
        "differences": differences_charts(result),
        "windows": windows_charts(result),
        "segments": segments_charts(result),
    }
    windows = [judged.window for judged in result.windows]
    return render(
        _TEMPLATE,
        result=result,
        words=words,
        head=HEAD,
        colours=colours(result),
        first_day=min(window.as_of for window in windows),
        last_day=max(window.as_of + dt.timedelta(days=window.horizon - 1) for window in windows),
        tasks=task_views(result),
        remarks=remarks(result),
        metrics=[words.metric(name, result.run.k) for name in METRICS],
        figure_rows=figure_rows(result),
        difference_rows=difference_rows(result),
        segment_rows=segment_rows(result),
        charts={name: [Markup(svg) for svg in svgs] for name, svgs in drawn.items()},  # noqa: S704 - escaped by the renderer
        alternatives=alternatives(result),
    )
