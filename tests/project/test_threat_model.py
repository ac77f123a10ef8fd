"""docs/threat-model.md: every threat names a test that is there, or says that it is not covered."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.chain import ROOT

PAGE = (ROOT / "docs" / "threat-model.md").read_text()
ROWS = [line for line in PAGE.splitlines() if line.startswith("| ") and not line.startswith(("| threat", "|---"))]
BULLETS = re.findall(r"^- .*?(?=^- |^$|\Z)", PAGE, re.MULTILINE | re.DOTALL)
_NAMED = re.compile(r"`((?:tests/[\w/]+/)?(?:test|soak|prove)_\w+\.py)(?:::(\w+))?`")


def named(text: str) -> Iterator[tuple[Path, str]]:
    """The tests that a text names; one without a folder is in that of the one before."""
    folder = ROOT / "tests"
    for file, function in _NAMED.findall(text):
        path = ROOT / file if file.startswith("tests/") else folder / file
        folder = path.parent
        yield path, function


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[2:40])
def test_a_threat_has_a_test_or_is_not_covered(row: str) -> None:
    cells = row.strip("| ").split(" | ")
    assert len(cells) == 3, row
    assert list(named(cells[2])) or "**not covered**" in cells[2], row


@pytest.mark.parametrize("bullet", BULLETS, ids=lambda bullet: bullet[2:40])
def test_what_is_not_protected_says_so(bullet: str) -> None:
    assert "**not covered**" in re.sub(r"\s+", " ", bullet), bullet


def test_every_test_that_is_named_exists() -> None:
    found = list(named(PAGE))
    assert len(found) > 70
    for path, function in found:
        assert path.is_file(), path
        assert f"def {function}(" in path.read_text() or not function, (path, function)


def test_nothing_that_looks_like_a_test_escapes_the_pattern() -> None:
    """The control: whatever ends in .py and is a test's is among those that were found."""
    written = re.findall(r"`[^`]*(?:test|soak|prove)_\w+\.py[^`]*`", PAGE)
    assert len(written) == len(list(named(PAGE)))
