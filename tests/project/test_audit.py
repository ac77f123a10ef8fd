"""The audit of dependencies: it never calls passed what was not looked up. Bills of materials: whole and valid."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from support.chain import ROOT
from support.scripts import script

audit = script("audit", "requirements")
WANTED = frozenset({"httpx", "typing-extensions"})
LOOKED_UP = [{"name": "httpx", "version": "1", "vulns": []}, {"name": "Typing_Extensions", "version": "4", "vulns": []}]
FLAW = {"id": "CVE-1", "fix_versions": [], "aliases": [], "description": ""}


@pytest.mark.parametrize(
    ("dependencies", "verdict"),
    [
        (LOOKED_UP, audit.Verdict.CLEAN),
        (LOOKED_UP[:1], audit.Verdict.NOT_AUDITED),
        ([], audit.Verdict.NOT_AUDITED),
        ([LOOKED_UP[0], {"name": "typing-extensions", "skip_reason": "not found"}], audit.Verdict.NOT_AUDITED),
        ([{**LOOKED_UP[0], "vulns": [FLAW]}], audit.Verdict.VULNERABLE),
    ],
)
def test_only_what_was_looked_up_is_clean(dependencies: list[object], verdict: str) -> None:
    assert audit.judge({"dependencies": dependencies, "fixes": []}, WANTED)[0] == verdict


def test_no_report_is_no_audit() -> None:
    assert audit.judge(None, WANTED)[0] == audit.Verdict.NOT_AUDITED


def test_every_stage_that_is_pinned_has_a_bill() -> None:
    """As the script that pins them has them; dev is no stage."""
    pins = re.findall(r"^pin ([a-z]+) ", (ROOT / "requirements" / "compile").read_text(), re.MULTILINE)
    assert "gateway" in pins
    assert {*audit.STAGES, "dev"} == set(pins)


@pytest.mark.slow
def test_without_a_network_it_says_so(tmp_path: Path) -> None:
    few = tmp_path / "few.txt"
    few.write_text(f"tomli==2.5.0 \\\n    --hash=sha256:{'0' * 64}\n")
    closed = {"HTTPS_PROXY": "http://127.0.0.1:9", "HTTP_PROXY": "http://127.0.0.1:9", "NO_PROXY": ""}
    command = [
        sys.executable,
        str(ROOT / "requirements" / "audit.py"),
        "--out",
        str(tmp_path),
        "--requirements",
        str(few),
    ]
    for more, status in (([], 2), (["--offline-ok"], 0)):
        done = subprocess.run(  # noqa: S603 - our own command
            [*command, *more], capture_output=True, text=True, check=False, env={**os.environ, **closed}
        )
        assert done.returncode == status, done.stderr
        assert "1 dependencies NOT AUDITED: the database could not be reached" in done.stdout
        assert " AUDITED: nothing" not in done.stdout.replace("NOT AUDITED", "")
    for stage in audit.STAGES:
        _is_whole(ROOT / "requirements" / f"{stage}.txt", (tmp_path / f"{stage}.cdx.json").read_text())


def _is_whole(requirements: Path, bill: str) -> None:
    """Valid CycloneDX, and exactly what is pinned, each with its hashes."""
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(bill) is None
    components = json.loads(bill)["components"]
    assert {(part["name"], part["version"]) for part in components} == set(
        re.findall(r"^([A-Za-z0-9._-]+)==([^ ;\\]+)", requirements.read_text(), re.MULTILINE)
    )
    for part in components:
        assert part["purl"].startswith("pkg:pypi/")
        assert any(reference.get("hashes") for reference in part["externalReferences"]), part["name"]
