"""Where the choices of a generated world come from: Hypothesis, which shrinks what it finds, or a seed, for volume."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Protocol, TypeVar

from hypothesis import strategies as st

T = TypeVar("T")


class Dice(Protocol):
    """A source of choices. The first of any options is the plainest, so that a shrunk world is a plain one."""

    def below(self, count: int) -> int:
        """A whole number from 0 to `count` - 1."""


class Drawn:
    """Choices that Hypothesis makes, one a byte, and shrinks towards the first of the options."""

    LONGEST = 1500  # what lies beyond is plain

    def __init__(self, choices: bytes) -> None:
        self._choices = iter(choices)

    def below(self, count: int) -> int:
        """See `Dice`."""
        return next(self._choices, 0) % count


class Seeded:
    """The choices of a seed."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)  # noqa: S311 - worlds to test with, the same for the same seed

    def below(self, count: int) -> int:
        """See `Dice`."""
        return int(self._random.random() * count)


CHOICES = st.binary(min_size=Drawn.LONGEST, max_size=Drawn.LONGEST)


def pick(dice: Dice, options: Sequence[T]) -> T:
    """One of the options."""
    return options[dice.below(len(options))]


def some(dice: Dice, options: Sequence[T], most: int, least: int = 0) -> tuple[T, ...]:
    """From `least` to `most` of the options, each at most once."""
    wanted = least + dice.below(most - least + 1)
    return tuple(dict.fromkeys(pick(dice, options) for _ in range(wanted)))


def chance(dice: Dice, tenths: int) -> bool:
    """True in so many of ten cases; false is the plainer."""
    return dice.below(10) >= 10 - tenths
