"""Rolling windows: which days are held out, one after the other, so that no single convenient one decides."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from recsys.amounts import amount
from recsys.contracts.runs import RunWindow
from recsys.errors import ContractError


@dataclass(frozen=True, slots=True)
class Rolling:
    """Windows that follow each other without a gap.

    Args:
        horizon: Days of each.
        windows: How many.
        as_of: The first day of the last one; None: so that it ends with the purchases.
    """

    horizon: int = 28
    windows: int = 5
    as_of: dt.date | None = None

    def over(self, first_day: dt.date, last_day: dt.date) -> tuple[RunWindow, ...]:
        """The windows over purchases from `first_day` to `last_day`, the earliest first.

        Before the earliest lie at least two horizons: one to choose settings on, and one to learn from before that.

        Raises:
            ContractError: The purchases do not reach that far back, or not into the last window.
        """
        days = dt.timedelta(days=self.horizon)
        last = self.as_of or last_day - days + dt.timedelta(days=1)
        starts = [last - days * number for number in reversed(range(self.windows))]
        if last > last_day:
            raise ContractError(
                f"nothing was bought on {last} or later", where="--as-of", mend="Name a day that the purchases reach"
            )
        if starts[0] - 2 * days < first_day:
            windows = f"{amount(self.windows, 'window')} of {amount(self.horizon, 'day')}"
            raise ContractError(
                f"the purchases begin on {first_day}; {windows}, and what is learned from before them, begin on "
                f"{starts[0] - 2 * days}",
                where="--purchases",
                mend="Ask for fewer --windows or a shorter --horizon",
            )
        return tuple(RunWindow(name=start.isoformat(), as_of=start, horizon=self.horizon) for start in starts)
