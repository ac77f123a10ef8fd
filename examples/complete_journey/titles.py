"""Till shorthand made readable: "SFT DRNK MLT-PK BTL CARB (EXCP" becomes "soft drink multi-pack bottle carbonated"."""

from __future__ import annotations

import csv
import functools
import re
from pathlib import Path
from typing import Final

_SHORTHAND: Final = Path(__file__).parent / "shorthand.csv"
_EVERYDAY: Final = Path(__file__).parent / "everyday.csv"

# Types that say nothing without their category: a premium what?
_VAGUE: Final = frozenset({
    "blends", "boxed", "collegiate", "cups", "dry", "economy", "garden plus", "kits", "mainstream", "microwave",
    "miscellaneous", "mixes", "other", "outdoor", "oven", "pails", "premium", "promo", "promotional", "quarts",
    "regular garden", "seasonal", "specialty", "traditional", "value",
})  # fmt: skip
_ALWAYS_VAGUE: Final = ("MEAT", "MEAT-PCKGD")  # cuts and grades: "LEAN", "LOIN", "RED"


def goods_name(department: str, category: str | None, kind: str | None) -> str:
    """What a shopper would call a type of goods, in lower case."""
    if category is None or kind is None:
        return readable(kind or category or department)
    wide, narrow = readable(category), readable(kind)
    if not narrow.startswith(wide) and (department in _ALWAYS_VAGUE or narrow in _VAGUE):
        return f"{wide}, {narrow}"
    return narrow


def category_name(department: str, category: str | None, kind: str | None) -> str:
    """What a reason calls a type of goods: its everyday name where somebody wrote one down, else that of the goods.

    Only the types that reasons name most often have one; it says no more than the till's name does.
    """
    name = goods_name(department, category, kind)
    return _table(_EVERYDAY).get(name, name)


def readable(name: str) -> str:
    """A retailer's name in a shopper's words, in lower case."""
    text = re.sub(r"\([^)]*$", "", name.casefold())  # the till cut it off inside a bracket
    text = re.sub(r"(?<!\d)\.", " ", re.sub(r":\s*", ": ", text))
    text = re.sub(r"[a-z]+", lambda word: _table(_SHORTHAND).get(word[0], word[0]), text)
    text = re.sub(r"(?<=[ /])[a-z]$", "", text)  # and inside a word
    return re.sub(r"\s+", " ", text).strip(" -:&/")


def sentence(text: str) -> str:
    """The text with a capital at its start."""
    return text[:1].upper() + text[1:]


@functools.cache
def _table(path: Path) -> dict[str, str]:
    with path.open(encoding="utf-8", newline="") as file:
        return {row[0]: row[1] for row in csv.reader(file)}
