"""Where in a TOML file a key or a list's member stands. `tomllib` says what a file holds, not where.

Only for text that `tomllib` has accepted: nothing is validated again.
"""

from __future__ import annotations

import re
import tomllib
from typing import Final

Path = tuple[str | int, ...]

_BLANK: Final = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_SPACE: Final = re.compile(r"[ \t]*")
_KEY: Final = re.compile(r"[A-Za-z0-9_-]+|\"(?:[^\"\\\n]|\\.)*\"|'[^'\n]*'")
_TEXT: Final = re.compile(
    r'"""(?:[^\\]|\\.)*?"""(?:"{1,2})?|\'\'\'.*?\'\'\'(?:\'{1,2})?|"(?:[^"\\\n]|\\.)*"|\'[^\'\n]*\'', re.DOTALL
)
_BARE: Final = re.compile(r"[^,\]}\n#]*")


def locate(text: str) -> dict[Path, int]:
    """The offset of every table, key and member of a list, by its path: `("cap", 0, "max")`."""
    return _Reader(text).read()


def line_and_column(text: str, offset: int) -> tuple[int, int]:
    """Both counted from one, as editors do."""
    return text.count("\n", 0, offset) + 1, offset - text.rfind("\n", 0, offset)


class _Reader:
    """One pass over a file."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._found: dict[Path, int] = {}
        self._lengths: dict[Path, int] = {}  # of the arrays of tables

    def read(self) -> dict[Path, int]:
        table: Path = ()
        self._skip(_BLANK)
        while self._at < len(self._text):
            start = self._at
            if self._text.startswith("[[", start):
                table = self._header(2)
                number = self._lengths.get(table, 0)
                self._lengths[table] = number + 1
                self._found.setdefault(table, start)
                table = (*table, number)
                self._found[table] = start
            elif self._text.startswith("[", start):
                table = self._header(1)
                self._found[table] = start
            else:
                self._pair(table)
            self._skip(_BLANK)
        return self._found

    def _header(self, brackets: int) -> Path:
        self._at += brackets
        names = self._names()
        self._at += brackets
        table: Path = ()
        for position, name in enumerate(names):
            table = (*table, name)
            last = position == len(names) - 1
            if table in self._lengths and not (last and brackets == 2):  # noqa: PLR2004 - "[[" opens a new one
                table = (*table, self._lengths[table] - 1)
        return table

    def _pair(self, table: Path) -> None:
        start = self._at
        for name in self._names():
            table = (*table, name)
            self._found.setdefault(table, start)
        self._at += 1  # the equals sign
        self._skip(_SPACE)
        self._value(table)

    def _names(self) -> list[str]:
        names = []
        while True:
            self._skip(_SPACE)
            name = self._take(_KEY)
            names.append(tomllib.loads(f"name = {name}")["name"] if name[0] in "\"'" else name)
            self._skip(_SPACE)
            if not self._text.startswith(".", self._at):
                return names
            self._at += 1

    def _value(self, path: Path) -> None:
        if self._text.startswith("[", self._at):
            self._members(path)
        elif self._text.startswith("{", self._at):
            self._inline(path)
        elif self._text[self._at] in "\"'":
            self._skip(_TEXT)
        else:
            self._skip(_BARE)

    def _members(self, path: Path) -> None:
        self._at += 1
        number = 0
        while not self._ends("]"):
            self._found[*path, number] = self._at
            self._value((*path, number))
            number += 1

    def _inline(self, path: Path) -> None:
        self._at += 1
        while not self._ends("}"):
            self._pair(path)

    def _ends(self, bracket: str) -> bool:
        """Step over blanks and commas; true behind the closing bracket."""
        self._skip(_BLANK)
        while self._text.startswith(",", self._at):
            self._at += 1
            self._skip(_BLANK)
        if self._text.startswith(bracket, self._at):
            self._at += 1
            return True
        return False

    def _skip(self, pattern: re.Pattern[str]) -> None:
        self._take(pattern)

    def _take(self, pattern: re.Pattern[str]) -> str:
        found = pattern.match(self._text, self._at)
        taken = found.group() if found else ""
        self._at += len(taken)
        return taken
