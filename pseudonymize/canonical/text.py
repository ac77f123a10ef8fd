"""Text: the form of what has no form of its own."""

from __future__ import annotations

import unicodedata
from typing import Final

import polars as pl

# Unicode's White_Space, spelled out: Python's and polars' own notions differ from each other.
_WHITE_SPACE: Final = "\t\n\v\f\r \x85\xa0\u1680\u2028\u2029\u202f\u205f\u3000" + "".join(
    map(chr, range(0x2000, 0x200B))
)
VISIBLE: Final = bytes(range(ord("!"), 0x7F))  # of a value of these alone, `bytes.lower` is the form


def text(value: str) -> str:
    """Compatibility composition, case folded, without white space at the ends. Applying it twice changes nothing.

    Folding may undo the composition and composition may bring back a capital, hence both twice (Unicode 3.13, D146).
    """
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFD", value).casefold()).casefold()
    return unicodedata.normalize("NFKC", folded).strip(_WHITE_SPACE)


def text_column(values: pl.Series) -> pl.Series:
    """`text` of every value. On ASCII it is trimming and lower case, done without leaving Rust."""
    value = pl.col("value")
    worked = values.to_frame("value").select_seq(  # at once: a call costs as much as a thousand short values
        plain=value.str.strip_chars(_WHITE_SPACE).str.to_lowercase(),
        foreign=value.str.len_bytes() != value.str.len_chars(),
    )
    plain, foreign = worked["plain"].alias(values.name), worked["foreign"]
    if foreign.any():
        slow = pl.Series([text(one) for one in values.filter(foreign)], dtype=pl.String)
        plain = plain.scatter(foreign.fill_null(value=False).arg_true(), slow)
    empty = plain == ""
    return plain.set(empty, None) if empty.any() else plain
