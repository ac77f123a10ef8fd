"""Pages from templates: HTML files that refer to nothing outside themselves, neither script, font, image nor host."""

from __future__ import annotations

from pathlib import Path

import jinja2

from recsys.evaluation.report.drawing import numbered_alike

_SHARED = Path(__file__).parent  # where the style is


def render(template: Path, **given: object) -> str:
    """The page: everything in it escaped but what is marked, and nothing left undefined."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader([template.parent, _SHARED]),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return numbered_alike(environment.get_template(template.name).render(given))
