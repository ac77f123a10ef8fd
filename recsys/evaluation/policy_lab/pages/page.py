"""A report as one HTML file that refers to nothing outside itself: no script, no font, no image, no network."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import jinja2
from markupsafe import Markup

from recsys.contracts.document import encode_document
from recsys.evaluation.policy_lab.pages.views import Report
from recsys.files import replacing

_TEMPLATE: Final = "lab.html.jinja"
_CLIP: Final = re.compile(r"\bclip\d+\b")


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
    return _renumbered(environment.get_template(_TEMPLATE).render(report=report, data=data))


def _renumbered(page: str) -> str:
    """The renderer counts its ids for as long as the process lives; here they begin at 1, so that pages are alike."""
    numbers: dict[str, int] = {}
    return _CLIP.sub(lambda found: f"clip{numbers.setdefault(found[0], len(numbers) + 1)}", page)


def write(out: Path, name: str, document: object, report: Report) -> Path:
    """Write `name.json` and `name.html` into a folder, both or neither; returns the page's path."""
    page = render(report, data=f"{name}.json")
    with replacing(out / f"{name}.json") as figures, replacing(out / f"{name}.html") as drawn:
        figures.write_bytes(encode_document(document))
        drawn.write_text(page, encoding="utf-8")
    return out / f"{name}.html"
