"""A report as one HTML file that refers to nothing outside itself: no script, no font, no image, no network."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import jinja2
from markupsafe import Markup

from recsys.contracts.document import encode_document
from recsys.evaluation.policy_lab.pages.views import Report
from recsys.files import replacing

_TEMPLATE: Final = "lab.html.jinja"


def render(report: Report, *, data: str) -> str:
    """The page.

    Args:
        report: What it says.
        data: The name of the file that holds the same figures for a program.
    """
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["drawing"] = Markup  # plots are made by our own renderer, which escapes what stands in them
    return environment.get_template(_TEMPLATE).render(report=report, data=data)


def write(out: Path, name: str, document: object, report: Report) -> Path:
    """Write `name.json` and `name.html` into a folder, both or neither; returns the page's path."""
    page = render(report, data=f"{name}.json")
    with replacing(out / f"{name}.json") as figures, replacing(out / f"{name}.html") as drawn:
        figures.write_bytes(encode_document(document))
        drawn.write_text(page, encoding="utf-8")
    return out / f"{name}.html"
