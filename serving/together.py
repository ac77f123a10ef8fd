"""Doing together what waits at the same time: what comes while one thread is busy is its next piece of work."""

from __future__ import annotations

import asyncio
import functools
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Generic, TypeVar

from serving.stores import LEAST, waiting

Part = TypeVar("Part")
Done = TypeVar("Done")


@dataclass(frozen=True, slots=True)
class _Waiting(Generic[Part, Done]):
    """A request's parts, who is to hear of them, and until when (monotonic) it has patience."""

    parts: Sequence[Part]
    done: asyncio.Future[Sequence[Done]]
    until: float


class Together(Generic[Part, Done]):
    """One thread and those who wait for it. Nobody waits for company.

    Args:
        name: Of the thread.
        work: Given the parts of some requests, and for how many seconds the least patient of them may still wait.
        most: Parts at once, unless one request has more.
        apart: Whether work that failed is done again for each request alone, so that an error reaches the one whom it
            concerns; only for what may be done twice.
    """

    def __init__(
        self, name: str, work: Callable[[Sequence[Part], float], Sequence[Done]], *, most: int, apart: bool = False
    ) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=name)
        self._work, self._most, self._apart = work, most, apart
        self._waiting: list[_Waiting[Part, Done]] = []
        self._busy: asyncio.Task[None] | None = None

    async def do(self, parts: Sequence[Part]) -> Sequence[Done]:
        """What became of each part, or the error of the work that they were in."""
        done: asyncio.Future[Sequence[Done]] = asyncio.get_running_loop().create_future()
        with waiting() as until:
            self._waiting.append(_Waiting(parts, done, until))
            if self._busy is None:
                self._busy = asyncio.create_task(self._all())
            return await done

    def close(self) -> None:
        """End the thread, after what it is doing."""
        self._thread.shutdown()

    async def _all(self) -> None:
        while self._waiting:
            taken = self._take()
            work = await self._worked(taken)
            if work.exception() is None or len(taken) == 1 or not self._apart:
                _hand_out(taken, work)
                continue
            for one in taken:
                again = await self._worked([one]) if time.monotonic() < one.until else work
                _hand_out([one], again)
        self._busy = None

    async def _worked(self, taken: Sequence[_Waiting[Part, Done]]) -> asyncio.Future[Sequence[Done]]:
        """The work, once it is over: well or not."""
        parts = [part for one in taken for part in one.parts]
        patience = max(LEAST, min(one.until for one in taken) - time.monotonic())
        job = functools.partial(self._work, parts, patience)
        work = asyncio.get_running_loop().run_in_executor(self._thread, job)
        await asyncio.wait([work])
        return work

    def _take(self) -> list[_Waiting[Part, Done]]:
        size, count = 0, 0
        for one in self._waiting:
            size += len(one.parts)
            if count and size > self._most:
                break
            count += 1
        taken, self._waiting = self._waiting[:count], self._waiting[count:]
        return taken


def _hand_out(taken: Sequence[_Waiting[Part, Done]], work: asyncio.Future[Sequence[Done]]) -> None:
    error = work.exception()
    start = 0
    for one in taken:
        if one.done.cancelled():
            pass  # whoever waited has gone
        elif error is not None:
            one.done.set_exception(error)
        else:
            one.done.set_result(work.result()[start : start + len(one.parts)])
        start += len(one.parts)
