"""Requests that wait at the same time are answered together: a column costs little more than a cell.

While one batch is worked on in a thread, the next one gathers. So a busy gateway does more at a time and not more
often, and one request alone does not wait for another.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from pseudonymize.gateway.deriving import Made, Wanted

_MOST: Final = 16_384  # values in a batch, so that none takes long


class _Waiting(NamedTuple):
    wanted: Wanted
    values: Sequence[str]
    answer: asyncio.Future[Made]


class Gathering:
    """Asks `derive` for many requests at once, in a thread, never twice at the same time."""

    def __init__(self, derive: Callable[[Wanted, Sequence[str]], Made]) -> None:
        self._derive = derive
        self._waiting: list[_Waiting] = []
        self._working: asyncio.Task[None] | None = None

    async def made(self, wanted: Wanted, values: Sequence[str]) -> Made:
        """What `derive` makes of these values, or raises."""
        answer: asyncio.Future[Made] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Waiting(wanted, values, answer))
        if self._working is None or self._working.done():
            self._working = asyncio.create_task(self._work())
        return await answer

    async def _work(self) -> None:
        while self._waiting:
            batch = self._next()
            values = [value for one in batch for value in one.values]
            asked = asyncio.to_thread(self._derive, batch[0].wanted, values)
            (made,) = await asyncio.gather(asked, return_exceptions=True)
            start = 0
            for one in batch:
                end = start + len(one.values)
                if one.answer.cancelled():  # whoever asked went away
                    pass
                elif isinstance(made, BaseException):
                    one.answer.set_exception(made)
                else:
                    one.answer.set_result(_part(made, start, end))
                start = end

    def _next(self) -> list[_Waiting]:
        """The first request, and those after it that want the same, as long as they are not too many."""
        wanted, size = self._waiting[0].wanted, 0
        batch: list[_Waiting] = []
        rest: list[_Waiting] = []
        for one in self._waiting:
            if one.wanted == wanted and (not batch or size + len(one.values) <= _MOST):
                batch.append(one)
                size += len(one.values)
            else:
                rest.append(one)
        self._waiting = rest
        return batch


def _part(made: Made, start: int, end: int) -> Made:
    refused = {place - start: why for place, why in made.refused.items() if start <= place < end}
    return Made(made.lineage, made.tokens[start:end], refused)
