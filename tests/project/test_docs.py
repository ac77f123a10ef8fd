"""Docs that cannot drift: every command, option and contract in them is held against the code."""

from __future__ import annotations

import functools
import json
import re
import subprocess

import pytest
from support.chain import ROOT
from support.commands import run
from support.scripts import script

MODULES = {
    "recsys-pseudonymize": "pseudonymize",
    "recsys-train": "training",
    "recsys-evaluate": "recsys",
    "recsys-serve": "serving",
}
TRACKED = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\n")  # noqa: S607 - git, from the path
PAGES = [ROOT / name for name in TRACKED if name.endswith(".md")]


def documented() -> list[tuple[str, str]]:
    """Every command line in the pages' console blocks, with its page."""
    lines = []
    for page in PAGES:
        for block in re.findall(r"```console\n(.*?)```", page.read_text(), re.DOTALL):
            joined = block.replace("\\\n", " ")
            lines += [(page.name, line[2:]) for line in joined.splitlines() if line.startswith("$ ")]
    return lines


COMMANDS = [(page, line) for page, line in documented() if line.split()[0] in MODULES]


@functools.cache
def help_of(program: str, *names: str) -> subprocess.CompletedProcess[str]:
    """What the command says of itself; many pages show the same one."""
    return run(MODULES[program], *names, "--help", COLUMNS="300")


@pytest.mark.slow  # one process a command
@pytest.mark.parametrize(("page", "line"), COMMANDS)
def test_a_documented_command_has_the_options_it_is_shown_with(page: str, line: str) -> None:
    program, *words = line.split()
    before_options = words[: next((i for i, w in enumerate(words) if w.startswith("-")), None)]
    names = [word for word in before_options if re.fullmatch(r"[a-z]+(-[a-z]+)*", word)]
    helped = help_of(program, *names)
    assert helped.returncode == 0, f"{page}: {line}: {helped.stderr}"
    for option in (word.partition("=")[0] for word in words if word.startswith("--")):
        assert re.search(rf"{option}\b", helped.stdout), f"{page}: {line}: no {option}"


def test_the_pages_show_commands_of_every_stage() -> None:
    assert {line.split()[0] for _, line in COMMANDS} == MODULES.keys()


def test_every_make_target_in_the_pages_exists() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = {name for page in PAGES for name in re.findall(r"`make ([a-z-]+)`", page.read_text())}
    assert named
    assert named <= targets


def test_links_between_pages_lead_somewhere() -> None:
    for page in PAGES:
        for target in re.findall(r"\]\(([^)#:\s]+)[^):]*\)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_the_page_of_contracts_is_what_the_code_says() -> None:
    made = script("render_contracts").page()
    assert (ROOT / "docs" / "contracts.md").read_text() == made, "run python docs/render_contracts.py"


def test_every_key_of_a_policy_is_documented() -> None:
    schema = json.loads((ROOT / "docs" / "policy.schema.json").read_text())
    page = (ROOT / "docs" / "policies.md").read_text()
    keys = {key for kind in schema["$defs"].values() for key in kind.get("properties", {})}
    assert {"never", "learn", "overdue", "depth", "salt", "epsilon"} <= keys
    for key in keys:
        assert re.search(rf"[`.\[]{key}\b", page), key


def test_the_schema_of_policies_is_what_the_code_says() -> None:
    made = script("render_policy_schema").schema()
    assert (ROOT / "docs" / "policy.schema.json").read_text() == made, "run python docs/render_policy_schema.py"


def test_every_key_and_choice_of_a_field_policy_is_documented() -> None:
    import pseudonymize.fields as terms  # noqa: PLC0415 - for this test only

    page = (ROOT / "docs" / "field-policy.md").read_text()
    gate = (terms.GateSettings, terms.External)
    kinds = (terms.FieldDocument, terms.TableDocument, terms.Field, *gate, *terms.ROLES.values())
    keys = {key for kind in kinds for key in kind.__struct_fields__}
    choices = {*terms.CHOICES, *terms.ROLES}
    for word in keys | choices:
        assert re.search(rf"[`.\[\"]{word}[`\"\].:= ]", page), word


def test_no_requirement_names_an_address() -> None:
    for path in (ROOT / "requirements").glob("*.txt"):
        text = path.read_text()
        assert "--hash=sha256:" in text
        assert not re.search(r"https?:|--(extra-)?index-url|--find-links", text), path.name
        pinned = [line for line in text.splitlines() if line and not line.startswith((" ", "#"))]
        assert all("==" in line for line in pinned)


def test_no_tracked_file_names_a_path_of_somebodys_machine() -> None:
    pattern = re.compile(r"(?<![\w.])/(home|root|Users|work)/\w")
    for name in TRACKED:
        path = ROOT / name
        if path.suffix in {".py", ".md", ".toml", ".txt", ".html", ""} and path.is_file():
            assert not pattern.search(path.read_text(encoding="utf-8")), name
