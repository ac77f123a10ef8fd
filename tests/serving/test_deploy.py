"""What lies in deploy/ is of this program: its settings, its options, its figures."""

from __future__ import annotations

import configparser
import json
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

from serving.metrics import Metrics
from serving.settings import read_settings

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
ALERTS = yaml.safe_load((DEPLOY / "alerts.yml").read_text())
RULES = [rule for group in ALERTS["groups"] for rule in group["rules"]]
PANELS = json.loads((DEPLOY / "dashboard.json").read_text())["panels"]
EXPRESSIONS = [rule["expr"] for rule in RULES] + [target["expr"] for panel in PANELS for target in panel["targets"]]


# A test's name says whether systemd itself looked at the unit: it is not everywhere.
UNIT_READERS = ["configparser", *(["systemd-analyze"] if shutil.which("systemd-analyze") else [])]


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


def test_the_dashboard_lets_its_reader_choose_the_source_of_every_panel() -> None:
    dashboard = json.loads((DEPLOY / "dashboard.json").read_text())
    assert [(one["type"], one["name"]) for one in dashboard["templating"]["list"]] == [("datasource", "source")]
    assert "__inputs" not in dashboard  # Grafana does not ask when it is imported
    asked = [place["datasource"] for panel in PANELS for place in (panel, *panel["targets"])]
    assert asked
    assert all(one == {"type": "prometheus", "uid": "${source}"} for one in asked)


def test_the_settings_are_ours() -> None:
    settings = read_settings({}, DEPLOY / "serve.toml")
    assert settings.host == "127.0.0.1"
    assert set(tomllib.loads((DEPLOY / "serve.toml").read_text())) <= set(type(settings).model_fields)


@pytest.mark.parametrize("reader", UNIT_READERS)
def test_the_unit_can_be_read(reader: str, tmp_path: Path) -> None:
    text = (DEPLOY / "recsys-serve.service").read_text()
    assert text.count("/opt/recsys/bin/recsys-serve ") == 1
    unit = tmp_path / "recsys-serve.service"
    unit.write_text(text.replace("/opt/recsys/bin/recsys-serve ", f"{sys.executable} "))  # which is there
    if reader == "configparser":
        assert set(_unit(unit)) == {"DEFAULT", "Unit", "Service", "Install"}
        return
    done = subprocess.run(["systemd-analyze", "verify", "--man=no", unit], capture_output=True, text=True, check=False)  # noqa: S603, S607 - systemd, from the path
    assert (done.returncode, _of_the_unit(done.stderr)) == (0, [])
    unit.write_text(text.replace("PrivateTmp=", "PrivateTemp="))
    done = subprocess.run(["systemd-analyze", "verify", "--man=no", unit], capture_output=True, text=True, check=False)  # noqa: S603, S607 - as above
    assert _of_the_unit(done.stderr)  # it would have said so


def _of_the_unit(said: str) -> list[str]:
    """Without what it says of the machine's other units."""
    return [line for line in said.splitlines() if "recsys-serve.service" in line]


def _unit(path: Path) -> configparser.ConfigParser:
    unit = configparser.ConfigParser(strict=False, interpolation=None)
    unit.optionxform = str  # type: ignore[assignment,method-assign] # systemd's keys have capitals
    unit.read(path)
    return unit


def test_the_unit_lets_requests_finish_and_gives_the_program_nothing_but_its_state() -> None:
    unit = _unit(DEPLOY / "recsys-serve.service")
    service = unit["Service"]
    assert int(service["TimeoutStopSec"]) > read_settings({}, DEPLOY / "serve.toml").grace_seconds
    assert service["ProtectSystem"] == "strict"
    assert service["CapabilityBoundingSet"] == ""
    assert service["User"] == service["Group"] == "recsys"
    assert service["Environment"] == f"TMPDIR=%t/{service['RuntimeDirectory']}"  # in memory, and its own
    assert unit["Unit"]["StartLimitIntervalSec"] == "0"  # it never gives up


def test_the_alerts_know_the_job_by_its_name() -> None:
    (job,) = re.findall(r"job_name: (\S+)", (DEPLOY / "README.md").read_text())
    assert set(re.findall(r'job="([^"]*)"', " ".join(EXPRESSIONS))) == {job}


def test_what_the_runbook_copies_is_installed_with_the_package() -> None:
    table = tomllib.loads((ROOT / "pyproject.toml").read_text())
    shared = table["tool"]["hatch"]["build"]["targets"]["wheel"]["shared-data"]
    assert all((ROOT / source).is_file() for source in shared)
    page, unit = (ROOT / "docs" / "runbook.md").read_text(), (DEPLOY / "recsys-serve.service").read_text()
    named = set(re.findall(r"/opt/recsys/(share/\S+)", page + unit))
    assert named
    assert named <= set(shared.values())
