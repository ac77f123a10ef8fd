"""The shoppers of a simulation: how often each of them really redeemed something."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from recsys.contracts.evaluation_sets import REDEMPTIONS
from recsys.contracts.token import Lineage
from recsys.errors import ContractError
from recsys.evaluation.source import check_lineage

_WEEK = 7


@dataclass(frozen=True, slots=True)
class Rates:
    """Redemptions a week of everyone who ever redeemed anything before a day; who is not in here never did."""

    of_subject: dict[str, float]

    def of(self, subjects: Sequence[str]) -> NDArray[np.float64]:
        """float64 [S]."""
        return np.array([self.of_subject.get(subject, 0.0) for subject in subjects])


def read_rates(path: Path, lineage: Lineage, *, until: dt.date) -> Rates:
    """Count what was redeemed before a day, by the weeks from the first redemption of all to that day.

    Raises:
        ContractError: The redemptions break their contract, or none lies before the day.
        TokenError: Their tokens are of another domain or epoch than the purchases.
    """
    rows = REDEMPTIONS.read(path)
    if len(rows):
        check_lineage(rows["subject"], lineage, where=str(path))
    before = rows.filter(pl.col("day") < until)
    first = before["day"].min()
    if not isinstance(first, dt.date):
        raise ContractError(
            f"nothing was redeemed before {until}", where=str(path), mend="Name the release's redemptions"
        )
    weeks = max((until - first).days / _WEEK, 1.0)
    return Rates({subject: count / weeks for subject, count in before.group_by("subject").len().iter_rows()})


def draw_shoppers(subjects: Sequence[str], count: int, rng: np.random.Generator) -> list[str]:
    """So many of them, drawn without looking, in the order of their tokens; all where there are fewer."""
    if len(subjects) <= count:
        return list(subjects)
    return [subjects[row] for row in np.sort(rng.choice(len(subjects), count, replace=False)).tolist()]
