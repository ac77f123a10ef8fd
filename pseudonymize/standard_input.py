"""Identifiers from standard input, one a line: a command line would show them to every process of the machine."""

from __future__ import annotations

from typing import BinaryIO

import polars as pl

from pseudonymize.canonical import MAX_BYTES
from pseudonymize.cmac import self_test
from pseudonymize.tokeniser import Tokeniser
from recsys.errors import ContractError

_WHERE = "standard input"


def tokens_of(lines: BinaryIO, field: str, tokeniser: Tokeniser) -> list[str]:
    """The token of each line, or none at all.

    Raises:
        UsageError: The field policy has no such field.
        ContractError: A line that is no identifier; it is not repeated.
    """
    self_test()
    values = [_text(line, number) for number, line in enumerate(lines, start=1)]
    if not values:
        raise ContractError("is empty", where=_WHERE, mend="Give one identifier a line")
    tokens = tokeniser.tokens(field, pl.Series(values, dtype=pl.String))
    empty = tokens.is_null().arg_true()
    if len(empty):
        raise ContractError(f"line {empty[0] + 1} is empty", where=_WHERE, mend="Give one identifier a line")
    tokeniser.check_collisions()
    return tokens.to_list()


def _text(line: bytes, number: int) -> str:
    line = line.rstrip(b"\r\n")
    if len(line) > MAX_BYTES:
        raise ContractError(f"line {number} is longer than {MAX_BYTES} bytes", where=_WHERE, mend="Give one a line")
    try:
        return line.decode("utf-8")
    except UnicodeDecodeError:
        raise ContractError(f"line {number} is not UTF-8", where=_WHERE, mend="Save the list as UTF-8") from None
