"""The page of a ranking: one HTML file that a category manager can read, offline and on paper."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Final

import jinja2
from markupsafe import Markup

from recsys.evaluation.report import words
from recsys.evaluation.report.charts import COLOURS, differences_charts, history_charts, models_charts
from recsys.evaluation.report.remarks import remarks
from recsys.evaluation.report.views import alternatives, difference_rows, figure_rows, task_views
from recsys.evaluation.results import RankingResult
from recsys.evaluation.splits import Window

_TEMPLATE: Final = "ranking.html.jinja"


def ranking_page(result: RankingResult) -> str:
    """Render the page. It refers to nothing outside itself: no script, no font, no image, no network."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    drawn = {"models": models_charts, "differences": differences_charts, "history": history_charts}
    return environment.get_template(_TEMPLATE).render(
        result=result,
        words=words,
        colours=COLOURS,
        last_day=Window(result.as_of, result.horizon).end - dt.timedelta(days=1),
        tasks=task_views(result),
        remarks=remarks(result),
        figure_rows=figure_rows(result),
        difference_rows=difference_rows(result),
        charts={name: [Markup(svg) for svg in draw(result)] for name, draw in drawn.items()},  # noqa: S704 - escaped by the renderer
        alternatives=alternatives(result),
    )
