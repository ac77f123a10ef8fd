"""The scan of every text value that passes. Whatever it finds blocks the release; no value is repeated."""

from __future__ import annotations

import functools
import sys
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

import msgspec
import numpy as np
import polars as pl

from pseudonymize.distinct import Coded
from pseudonymize.gate.canaries import Canaries
from pseudonymize.gate.traces import HINTS, Rule, Trace, is_code
from recsys.contracts.table import Origin
from recsys.contracts.token import TOKEN_PATTERN

_FOREIGN_DIGIT: Final = r"[\p{Nd}--[0-9]]"
_CODES: Final = frozenset({"item", "offer_id", "store", "region", "basket"})  # columns in which bare digits are codes
_LOOKED_FOR_IN_CODES: Final = frozenset({Trace.EMAIL, Trace.CARD, Trace.IBAN, Trace.IP})


_NONE: Final[Mapping[str, Coded]] = MappingProxyType({})


class TextFinding(msgspec.Struct, frozen=True, kw_only=True):
    """What was found in one column: `values` distinct ones; `row` of the file holds the first."""

    where: str
    column: str
    trace: str
    values: int
    row: int


@dataclass(frozen=True, slots=True)
class TextScan:
    """Gathers the distinct texts of every column, and looks at them when all canaries are known.

    Args:
        rules: What to look for.
        allowed: Names that may stand in a text, as brands do.
    """

    rules: Mapping[Trace, Rule]
    allowed: Sequence[str] = ()
    canaries: Canaries = field(default_factory=Canaries)
    _texts: dict[tuple[str, str, bool], pl.DataFrame] = field(default_factory=dict)

    def add(self, frame: pl.DataFrame, origin: Origin, coded: Mapping[str, Coded] = _NONE) -> None:
        """Gather the text columns of some rows; tokens are none. Of `coded` columns only the values are looked at."""
        rows = pl.int_range(1, frame.height + 1, eager=True) if origin.rows is None else origin.rows
        for name in frame.columns:
            if name == "subject" or name in origin.checked:
                continue
            numbered = {"text": frame[name], "row": rows.cast(pl.Int64)}
            cells = _first(coded[name], rows) if name in coded else pl.DataFrame(numbered)
            if cells["text"].dtype == pl.List(pl.String):
                cells = cells.explode("text")
            if cells["text"].dtype == pl.String:
                self._gather((origin.where, origin.name(name), name in _CODES), cells)

    def findings(self) -> tuple[TextFinding, ...]:
        """What was found, column by column."""
        return tuple(found for place, texts in self._texts.items() for found in self._look(place, texts))

    def _gather(self, place: tuple[str, str, bool], cells: pl.DataFrame) -> None:
        new = cells.drop_nulls("text").unique("text", keep="first", maintain_order=True)
        new = new.filter(~pl.col("text").str.contains(TOKEN_PATTERN))
        known = self._texts.get(place)
        if known is not None:
            new = pl.concat([known, new.join(known, on="text", how="anti", maintain_order="left")])
        self._texts[place] = new

    def _look(self, place: tuple[str, str, bool], texts: pl.DataFrame) -> list[TextFinding]:
        where, column, codes = place
        found = []
        for trace, held in traces_in(texts["text"], self.rules, codes=codes).items():
            found.append((trace, held))
        found.append((Trace.NAME, self.canaries.standing_in(texts["text"], allowed=self.allowed)))
        return [
            TextFinding(
                where=where, column=column, trace=trace, values=int(held.sum()), row=texts["row"].filter(held)[0]
            )
            for trace, held in found
            if held.any()
        ]


def _first(column: Coded, rows: pl.Series) -> pl.DataFrame:
    """The values that stand in some row, with the first, in the order of the rows."""
    column = column.used()
    first = np.empty(len(column.values), np.int64)
    first[column.places.to_numpy()[::-1]] = rows.to_numpy()[::-1]  # of several, the last to be written stays
    return pl.DataFrame({"text": column.values, "row": first}).sort("row")


@functools.cache
def _plain_digits() -> dict[str, str]:
    """Each script's digits as those that the rules know."""
    characters = map(chr, range(0x80, sys.maxunicode + 1))
    return {one: str(unicodedata.decimal(one)) for one in characters if unicodedata.category(one) == "Nd"}


def traces_in(values: pl.Series, rules: Mapping[Trace, Rule], *, codes: bool = False) -> dict[Trace, pl.Series]:
    """For each rule, which texts it finds something in.

    Args:
        values: Texts; an empty cell holds nothing.
        rules: `pseudonymize.gate.traces.rules`.
        codes: Whether a cell of nothing but digits is a code of the retailer's, as of an item, and no telephone number.
    """
    plain = values.str.normalize("NFKC").str.replace_all(r"\p{Cf}", "")
    if plain.str.contains(_FOREIGN_DIGIT).any():
        plain = plain.str.replace_many(_plain_digits())
    found = {}
    for trace, rule in rules.items():
        maybe = plain.str.contains(HINTS[trace]).fill_null(value=False)
        held = pl.Series(
            [
                (not codes or trace in _LOOKED_FOR_IN_CODES or not is_code(text)) and rule(text)
                for text in plain.filter(maybe)
            ],
            dtype=pl.Boolean,
        )
        mask = pl.repeat(value=False, n=len(values), dtype=pl.Boolean, eager=True)
        found[trace] = mask.scatter(maybe.arg_true().filter(held), values=True) if held.any() else mask
    return found
