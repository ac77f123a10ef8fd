"""The officer's page: one of HTML that needs nothing else, no script, no address, no value of the data.

First what the gate decided and found, what was generalised, what somebody determined could still learn, and which
settings change it; then what came in, and what became of it.
"""

from __future__ import annotations

from importlib.resources import files

from jinja2 import Environment, StrictUndefined

from pseudonymize.gate.verdict import Verdict, spoken
from pseudonymize.gate.words import HISTORIES, MEANING, SETTINGS, still_known
from pseudonymize.report import RunReport
from recsys.contracts.release import Release


def page(verdict: Verdict, report: RunReport | None = None, *, release: Release | None = None) -> str:
    """The page: of a run with its `report`, or of a release that lies somewhere; of neither where none came of it."""
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters["number"] = "{:,}".format
    environment.filters["spoken"] = spoken
    source = files("pseudonymize").joinpath("report.html.jinja").read_text(encoding="utf-8")
    return environment.from_string(source).render(
        verdict=verdict,
        report=report,
        release=report.release if report else release,
        histories=HISTORIES,
        meaning=MEANING,
        settings=SETTINGS,
        still_known=still_known(verdict),
    )
