"""One is not several."""

from __future__ import annotations

import pytest

from recsys.amounts import amount


@pytest.mark.parametrize(
    ("number", "told"),
    [(0, "0 items were left"), (1, "1 item was left"), (2, "2 items were left"), (1_200, "1,200 items were left")],
)
def test_amounts(number: int, told: str) -> None:
    assert f"{amount(number, 'item was', 'items were')} left" == told
    assert amount(number, "trial") == f"{number:,} trial" + "s" * (number != 1)
