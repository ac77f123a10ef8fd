"""Identifiers from standard input, one a line: a command line would show them to every process of the machine."""

from __future__ import annotations

from typing import BinaryIO, Final

import polars as pl

from pseudonymize.canonical import MAX_BYTES, CanonicalForm
from pseudonymize.tokeniser import Tokeniser
from recsys.errors import ContractError

_WHERE: Final = "standard input"
_MEND: Final = "Give one identifier a line"
_MARK: Final = "\ufeff"  # what some editors put before UTF-8: it belongs to no identifier


def identifiers(lines: BinaryIO) -> pl.Series:
    """The lines, each an identifier, or `ContractError`, which does not repeat one."""
    values = [_text(line, number) for number, line in enumerate(lines, start=1)]
    values[:1] = [value.removeprefix(_MARK) for value in values[:1]]
    if not values:
        raise ContractError("is empty", where=_WHERE, mend=_MEND)
    return pl.Series(values, dtype=pl.String)


def canonical(values: pl.Series, form: CanonicalForm) -> pl.Series:
    """The canonical form of every line, or `ContractError` where one has none."""
    read = form.column(values)
    _refuse(read.is_null() & (values.str.strip_chars() == ""), "is empty")
    _refuse(read.is_null(), form.unread)
    return read


def tokens_of(lines: BinaryIO, field: str, tokeniser: Tokeniser) -> list[str]:
    """The token of each line, or none at all.

    Raises:
        UsageError: The field policy has no such field.
        ContractError: A line that is no identifier, or of somebody who was forgotten; it is not repeated.
    """
    form = tokeniser.form(field)
    values = identifiers(lines)
    canonical(values, form)
    tokens = tokeniser.tokens(field, values).tokens
    _refuse(tokeniser.suppressed(tokens), "is of somebody who was forgotten", mend="`lift` brings a person back")
    tokeniser.check_collisions()
    return tokens.to_list()


def _refuse(wrong: pl.Series, why: str, *, mend: str = _MEND) -> None:
    if wrong.any():
        raise ContractError(f"line {int(wrong.arg_true()[0]) + 1} {why}", where=_WHERE, mend=mend)


def _text(line: bytes, number: int) -> str:
    line = line.rstrip(b"\r\n")
    if len(line) > MAX_BYTES:
        raise ContractError(f"line {number} is longer than {MAX_BYTES} bytes", where=_WHERE, mend=_MEND)
    if b"\0" in line:
        raise ContractError(f"line {number} holds a NUL byte", where=_WHERE, mend="Save the list as text")
    try:
        return line.decode("utf-8")
    except UnicodeDecodeError:
        raise ContractError(f"line {number} is not UTF-8", where=_WHERE, mend="Save the list as UTF-8") from None
