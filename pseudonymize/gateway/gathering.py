"""Requests that wait at the same time are answered together: a column costs little more than a cell.

What arrived in one round of the event loop is one batch, and while it is worked on the next one gathers. So a busy
gateway does more at a time and not more often, and one request alone does not wait for another. What takes long, or
waits for a file, is done in a thread. The rest is not: handing it over and sharing the interpreter costs as much again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final, NamedTuple

from pseudonymize.gateway.deriving import Made, Wanted
from pseudonymize.gateway.sent import Values, joined

_MOST: Final = 8_192  # values in a batch, so that none takes long: plain ones of 20 bytes some 3 ms

Derive = Callable[[Wanted, Values], Made]
AtOnce = Callable[[Wanted, Values], Made | None]


class _Waiting(NamedTuple):
    wanted: Wanted
    values: Values
    answer: asyncio.Future[Made]


class Gathering:
    """Asks for the tokens of many requests at once, never twice at the same time.

    Args:
        derive: Makes them, however long it takes; called in a thread.
        at_once: Makes them, or answers None where that would hold up the event loop.
    """

    def __init__(self, derive: Derive, at_once: AtOnce = lambda *_: None) -> None:
        self._derive, self._at_once = derive, at_once
        self._waiting: list[_Waiting] = []
        self._working: asyncio.Task[None] | None = None

    async def made(self, wanted: Wanted, values: Values) -> Made:
        """What `derive` makes of these values, or raises."""
        answer: asyncio.Future[Made] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Waiting(wanted, values, answer))
        if self._working is None or self._working.done():
            self._working = asyncio.create_task(self._work())
        return await answer

    async def _work(self) -> None:
        while self._waiting:
            batch = self._next()
            values = joined([one.values for one in batch])
            (made,) = await asyncio.gather(self._all(batch[0].wanted, values), return_exceptions=True)
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

    async def _all(self, wanted: Wanted, values: Values) -> Made:
        made = self._at_once(wanted, values)
        return await asyncio.to_thread(self._derive, wanted, values) if made is None else made

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
