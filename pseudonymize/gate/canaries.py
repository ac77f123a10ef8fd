"""Names and identifiers of the raw files as canaries: where one stands in a text that passes, the gate has failed.

They are kept as hashes. A text is cut into words, and every run of them is looked up, so that a name is found within a
sentence, whatever stands between its words, however it is capitalised, with its accents or without, in either order.
Cells of one row are looked for together, as a first name and a last name are. A number is found however its digits are
grouped; one with its country's code also as it is dialled at home. A single word is looked for only where it is long
and holds a digit, as card numbers do: by itself, a `Rose` in a title is a wine.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import permutations
from typing import Final

import numpy as np
import phonenumbers
import polars as pl
from numpy.typing import NDArray

_MOST_WORDS: Final = 8
_NAME_LETTERS: Final = 4  # of two words at least
_CODE_CHARACTERS: Final = 10
_NUMBER_CHARACTERS: Final = 8  # of several words with digits, as telephone numbers are written
_MOST_COLUMNS: Final = 10  # whose cells are paired
# Digits of a number that is found however they are grouped; shorter ones may be items, unless a trunk prefix says more.
_TELLING_DIGITS, _WITH_PREFIX = 11, 10
_SHORT: Final = r"^\S+( \S+){0,2}$"  # a cell of a first or last name
_COUNTRIES: Final = "|".join(map(str, sorted(phonenumbers.COUNTRY_CODE_TO_REGION_CODE, reverse=True)))
_ABROAD: Final = rf"^(?:\+|00)(?:{_COUNTRIES})(\d{{{_WITH_PREFIX - 1},14}})$"  # without what stands between its digits
_ACCENTS: Final = "[\u0300-\u036f]"  # apart from their letters


class Canaries:
    """What must not pass. Memory grows with people: eight bytes a name."""

    def __init__(self) -> None:
        self._hashes = np.empty(0, np.uint64)

    def __len__(self) -> int:
        return len(self._hashes)

    def add(self, frame: pl.DataFrame) -> None:
        """Note the cells of columns that name people, and those of each row that may be a name together."""
        cells = [column.cast(pl.String) for column in frame if not column.dtype.is_nested()]
        texts = [words(column) for column in cells]
        parts = [text.set(~_may_be_part(column, text), None) for column, text in zip(cells, texts, strict=True)]
        named = [part for part in parts if part.count()][:_MOST_COLUMNS]
        pairs = [a + " " + b for a, b in permutations(named, 2)]
        for text in (*texts, *pairs, *map(_dialled_at_home, cells)):
            self._note(text.drop_nulls().unique())

    def standing_in(self, values: pl.Series, *, allowed: Sequence[str] = ()) -> pl.Series:
        """Which texts hold one of them; what is `allowed` counts for none."""
        if not len(self):
            return pl.repeat(value=False, n=len(values), dtype=pl.Boolean, eager=True)
        known = self._without(allowed)
        numbered = pl.DataFrame({"number": np.arange(len(values)), "word": words(values).str.split(" ")})
        cut = numbered.explode("word").drop_nulls("word")
        number, word, run = cut["number"], cut["word"], cut["word"]
        held = np.zeros(len(values), np.bool_)
        for ahead in range(_MOST_WORDS):
            if ahead:
                run = run + " " + word.shift(-ahead)
            whole = (number == number.shift(-ahead)).fill_null(value=False)
            for said in (run, _number(run)):
                found = whole.to_numpy() & _among(said.fill_null("").hash().to_numpy(), known)
                held[number.to_numpy()[found]] = True
        return pl.Series(held)

    def _note(self, texts: pl.Series) -> None:
        letters = texts.str.replace_all(" ", "", literal=True)
        size, digits = letters.str.len_chars(), letters.str.contains(r"\p{N}")
        single = letters == texts
        telling = (
            (single & digits & (size >= _CODE_CHARACTERS))
            | (~single & digits & (size >= _NUMBER_CHARACTERS))
            | (~single & ~digits & (size >= _NAME_LETTERS))
        )
        names = texts.filter(telling & ~digits)
        short = names.str.replace_all(r"\b\p{L}\b ?", "").str.strip_chars(" ")  # without initials
        names = pl.concat([names, short.filter(short.str.contains(" ", literal=True))])
        reversed_names = names.str.split(" ").list.reverse().list.join(" ")
        told = (texts.filter(telling & digits), _number(texts.filter(telling)).drop_nulls(), names, reversed_names)
        self._hashes = np.unique(np.concatenate([self._hashes, *(one.hash().to_numpy() for one in told)]))

    def _without(self, allowed: Sequence[str]) -> NDArray[np.uint64]:
        hashes = words(pl.Series(allowed, dtype=pl.String)).hash().to_numpy()
        return np.setdiff1d(self._hashes, hashes)


def words(values: pl.Series) -> pl.Series:
    """The words of each text, in lower case, one space between two; what is neither letter nor digit parts them."""
    plain = values.str.normalize("NFKD").str.replace_all(_ACCENTS, "").str.normalize("NFKC").str.to_lowercase()
    text = plain.str.replace_all(r"[^\p{L}\p{M}\p{N}]+", " ").str.strip_chars(" ")
    return text.set(text == "", None)


def _may_be_part(cells: pl.Series, texts: pl.Series) -> pl.Series:
    """Which cells may be a first or a last name: a few words without digits, and no address."""
    short = texts.str.contains(_SHORT) & ~texts.str.contains(r"\p{N}") & ~cells.str.contains("@", literal=True)
    return short.fill_null(value=False)


def _number(texts: pl.Series) -> pl.Series:
    """The digits of what is a long number in groups, empty cells elsewhere."""
    digits = texts.set(~texts.str.contains(r"^\p{N}+( \p{N}+)*$"), None).str.replace_all(" ", "", literal=True)
    least = pl.when(digits.str.starts_with("0")).then(_WITH_PREFIX).otherwise(_TELLING_DIGITS)
    return digits.set(pl.select(digits.str.len_chars() < least).to_series(), None)


def _dialled_at_home(cells: pl.Series) -> pl.Series:
    """Of telephone numbers with a country's code, what is dialled within the country: `0` and the rest."""
    digits = cells.str.replace("(0)", "", literal=True).str.replace_all(r"[ ()./-]", "")
    return "0" + digits.str.extract(_ABROAD, 1)


def _among(hashes: NDArray[np.uint64], known: NDArray[np.uint64]) -> NDArray[np.bool_]:
    """Which hashes are known; those rise."""
    if not len(known):
        return np.zeros(len(hashes), np.bool_)
    found: NDArray[np.bool_] = known[np.minimum(np.searchsorted(known, hashes), len(known) - 1)] == hashes
    return found
