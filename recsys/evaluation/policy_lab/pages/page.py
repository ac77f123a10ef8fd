"""What a command of the policy lab leaves: figures for a program, a page for a person, tables on the terminal."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from markupsafe import Markup

from recsys.console import print_json, say, screen
from recsys.contracts.document import encode_document
from recsys.evaluation.policy_lab.pages.views import Report
from recsys.evaluation.report.template import render
from recsys.files import replacing

_TEMPLATE: Final = Path(__file__).with_name("lab.html.jinja")


def publish(out: Path, name: str, document: object, report: Report, *, json: bool) -> None:
    """Write `name.json` and `name.html` into a folder, both or neither, and show the tables.

    Args:
        out: The folder.
        name: What was measured.
        document: The figures.
        report: What the page says of them.
        json: Whether to print the figures as well.
    """
    plots = [[Markup(plot.svg) for plot in section.plots] for section in report.sections]  # noqa: S704 - escaped by the renderer
    page = render(_TEMPLATE, report=report, plots=plots, data=f"{name}.json")
    with replacing(out / f"{name}.json") as figures, replacing(out / f"{name}.html") as drawn:
        figures.write_bytes(encode_document(document))
        drawn.write_text(page, encoding="utf-8")
    for table in report.tables():
        screen.print(table.on_terminal())
    say(f"The page to read is {out / f'{name}.html'}.")
    if json:
        print_json(document)
