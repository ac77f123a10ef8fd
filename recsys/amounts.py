"""How many of what, in words for a person: one is not several."""

from __future__ import annotations


def amount(number: int, one: str, many: str | None = None) -> str:
    """`1 item`, `1,200 items`.

    Args:
        number: How many.
        one: What one is called, with its verb where that changes, too ("item was").
        many: What several are called ("items were"); None: the same with an s.
    """
    return f"{number:,} {one if number == 1 else many or f'{one}s'}"
