"""The report of a run as one HTML page that needs nothing else: no script, no address, no value of the data."""

from __future__ import annotations

from importlib.resources import files

from jinja2 import Environment, StrictUndefined

from pseudonymize.report import RunReport


def page(report: RunReport) -> str:
    """The page."""
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters["number"] = "{:,}".format
    source = files("pseudonymize").joinpath("report.html.jinja").read_text(encoding="utf-8")
    return environment.from_string(source).render(report=report, release=report.release)
