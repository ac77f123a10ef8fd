"""Text: the form of what has no form of its own."""

from __future__ import annotations

import unicodedata
from typing import Final

import polars as pl

# Unicode's White_Space, spelled out: Python's and polars' own notions differ from each other.
_WHITE_SPACE: Final = "\t\n\v\f\r \x85\xa0\u1680\u2028\u2029\u202f\u205f\u3000" + "".join(
    map(chr, range(0x2000, 0x200B))
)


def text(value: str) -> str:
    """Compatibility composition, case folded, without white space at the ends. Applying it twice changes nothing.

    Folding may undo the composition and composition may bring back a capital, hence both twice (Unicode 3.13, D146).
    """
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFD", value).casefold()).casefold()
    return unicodedata.normalize("NFKC", folded).strip(_WHITE_SPACE)


def text_column(values: pl.Series) -> pl.Series:
    """`text` of every value. On ASCII it is trimming and lower case, done without leaving Rust."""
    ascii_only = values.str.len_bytes() == values.str.len_chars()
    fast = values.str.strip_chars(_WHITE_SPACE).str.to_lowercase()
    if not ascii_only.fill_null(value=True).all():
        rest = values.filter(~ascii_only)
        slow = pl.Series([text(value) for value in rest], dtype=pl.String)
        fast = fast.scatter((~ascii_only).fill_null(value=False).arg_true(), slow)
    return fast.set(fast == "", None)
