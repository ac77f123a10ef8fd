"""What lies in deploy/ is of this program: its settings, its options, its figures."""

from __future__ import annotations

import configparser
import json
import re
import tomllib
from pathlib import Path

import pytest
import yaml
from support.commands import run

from serving.metrics import Metrics
from serving.settings import read_settings

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
ALERTS = yaml.safe_load((DEPLOY / "alerts.yml").read_text())
RULES = [rule for group in ALERTS["groups"] for rule in group["rules"]]
PANELS = json.loads((DEPLOY / "dashboard.json").read_text())["panels"]
EXPRESSIONS = [rule["expr"] for rule in RULES] + [target["expr"] for panel in PANELS for target in panel["targets"]]


def labels() -> dict[str, set[str]]:
    """Every series that can be asked for, with its labels."""
    found: dict[str, set[str]] = {}
    for kind in vars(Metrics()).values():
        if hasattr(kind, "describe"):
            (family,) = kind.describe()
            names = set(kind._labelnames)  # noqa: SLF001 - the library tells them nowhere else
            suffixes = {"counter": ["_total"], "gauge": [""], "histogram": ["_bucket", "_sum", "_count"]}[family.type]
            found |= {family.name + suffix: names | ({"le"} if suffix == "_bucket" else set()) for suffix in suffixes}
    return found


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_every_expression_asks_for_a_figure_that_there_is(expression: str) -> None:
    known = labels()
    asked = re.findall(r"\b(recsys_\w+)(?:\{([^}]*)\})?", expression)
    assert asked
    for name, selector in asked:
        assert name in known, name
        assert set(re.findall(r"(\w+)(?:=~|!~|!=|=)", selector)) <= known[name], name
    for group in re.findall(r"by \(([^)]*)\)", expression):
        assert set(re.split(r",\s*", group)) <= set.union(*(known[name] for name, _ in asked)), group


def test_every_alert_is_explained_in_the_runbook() -> None:
    page = (ROOT / "docs" / "runbook.md").read_text()
    assert {rule["alert"] for rule in RULES} == set(re.findall(r"^\| `(Recsys\w+)` \|", page, re.MULTILINE))
    assert all(rule["annotations"]["summary"] and rule["labels"]["severity"] in {"page", "ticket"} for rule in RULES)


def test_every_figure_stands_on_the_dashboard() -> None:
    shown = set(re.findall(r"recsys_\w+", " ".join(EXPRESSIONS)))
    assert {re.sub(r"_(total|bucket|sum|count)$", "", name) for name in labels()} == {
        re.sub(r"_(total|bucket|sum|count)$", "", name) for name in shown
    }


def test_the_settings_are_ours() -> None:
    settings = read_settings({}, DEPLOY / "serve.toml")
    assert settings.host == "127.0.0.1"
    assert set(tomllib.loads((DEPLOY / "serve.toml").read_text())) <= set(type(settings).model_fields)


def test_the_unit_lets_requests_finish_and_gives_the_program_nothing_but_its_state() -> None:
    unit = configparser.ConfigParser(strict=False, interpolation=None)
    unit.optionxform = str  # type: ignore[assignment,method-assign] # systemd's keys have capitals
    unit.read(DEPLOY / "recsys-serve.service")
    service = unit["Service"]
    assert int(service["TimeoutStopSec"]) > read_settings({}, DEPLOY / "serve.toml").grace_seconds
    assert service["ProtectSystem"] == "strict"
    assert service["CapabilityBoundingSet"] == ""
    assert service["User"] == service["Group"] == "recsys"


@pytest.mark.slow
def test_the_image_has_the_service_and_nothing_that_sees_identifiers_or_trains() -> None:
    text = (DEPLOY / "Containerfile").read_text()
    copied = re.findall(r"^COPY (?!--from)(\S+)", text, re.MULTILINE)
    assert copied == ["requirements/serving.txt", "recsys", "web", "serving"]
    assert all((ROOT / name).exists() for name in copied)
    words = json.loads(re.search(r"ENTRYPOINT (\[.*\])", text)[1]) + json.loads(re.search(r"CMD (\[.*\])", text)[1])
    help_text = run(words[2], "--help").stdout
    assert all(word in help_text for word in words[3:] if word.startswith("--"))
