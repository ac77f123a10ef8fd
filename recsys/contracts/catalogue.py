"""The catalogue: what is sold, and where it belongs. What is sensitive is not in here; that is policy."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from typing import Final

import polars as pl

from recsys.contracts.table import Column, TableContract, filled

PATH_SEPARATOR: Final = " / "  # with its spaces: retailers' own names hold bare slashes ("BEERS/ALES")


def _well_formed_path(value: pl.Expr) -> pl.Expr:
    return value.str.split(PATH_SEPARATOR).list.eval(filled(pl.element())).list.all()


CATALOGUE: Final = TableContract(
    name="catalogue",
    version=1,
    columns=(
        Column("item", pl.String(), "What is sold; the key that purchases and offers use", check=filled),
        Column(
            "category",
            pl.String(),
            "A path from the widest to the narrowest, usually department / category / type; empty: not known",
            nullable=True,
            check=_well_formed_path,
            mend="Write 'department / category / type', with ' / ' between the parts and no part empty",
        ),
        Column("title", pl.String(), "What a shopper reads", check=filled),
        Column(
            "category_title",
            pl.String(),
            'What a shopper calls the category, as in "because you buy soft drinks"; empty: its path\'s narrowest part',
            required=False,
            nullable=True,
            check=filled,
        ),
        Column("brand", pl.String(), "For dismissals by brand", required=False, nullable=True),
    ),
    unique=("item",),
)


def split_path(category: str) -> tuple[str, ...]:
    """The parts of a category path, widest first."""
    return tuple(part.strip() for part in category.split(PATH_SEPARATOR))


def compared(text: str) -> str:
    """Text in the form in which it is compared: white space collapsed, upper and lower case alike, accents composed.

    A caseless match of Unicode (3.13, D145): a letter with its accent in one character or in two is one letter.
    """
    folded = unicodedata.normalize("NFD", " ".join(text.split())).casefold()
    return unicodedata.normalize("NFC", folded)


def path_parts(category: str) -> tuple[str, ...]:
    """The parts in the form in which they are compared."""
    return tuple(compared(part) for part in split_path(category))


@lru_cache(maxsize=1 << 14)
def known_path_parts(category: str) -> tuple[str, ...]:
    """The same for a text of the catalogue, which is remembered: what people write is not."""
    return path_parts(category)


def category_titles(catalogue: pl.DataFrame) -> dict[str, str]:
    """What shoppers call each category path of a catalogue: the first title that stands with it, else `plain_name`."""
    placed = catalogue.filter(pl.col("category").is_not_null())
    titled = placed.with_columns(title=pl.col("category_title") if "category_title" in placed.columns else pl.lit(None))
    first = titled.group_by("category", maintain_order=True).agg(pl.col("title").drop_nulls().first())
    return {path: title or plain_name(path) for path, title in first.iter_rows()}


def plain_name(category: str) -> str:
    """The narrowest part of a path, in lower case, and without a bracket that a till cut off: "soup (ex" is no name."""
    name = split_path(category)[-1].lower()
    return re.sub(r"\s*\([^)]*$", "", name) or name
