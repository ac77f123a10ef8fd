"""Writing decisions down together: those that wait while one transaction runs go into the next one."""

from __future__ import annotations

import asyncio
import functools
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final

from serving.clock import Clock
from serving.stores import LEAST, Settled, Settling, Store, waiting

_MOST: Final = 200  # decisions in one transaction, unless one request has more


@dataclass(frozen=True, slots=True)
class _Waiting:
    """A request's decisions, who is to hear of them, and until when (monotonic) they wait."""

    decisions: Sequence[Settling]
    done: asyncio.Future[Sequence[Settled]]
    until: float


class Settler:
    """One thread that writes; requests wait for the transaction that they are in."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store, self._clock = store, clock
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="settle")
        self._waiting: list[_Waiting] = []
        self._writing: asyncio.Task[None] | None = None

    async def settle(self, decisions: Sequence[Settling]) -> Sequence[Settled]:
        """What became of each, once they are in the log.

        Raises:
            StoreError: Nothing was written.
        """
        done: asyncio.Future[Sequence[Settled]] = asyncio.get_running_loop().create_future()
        with waiting() as until:
            self._waiting.append(_Waiting(decisions, done, until))
            if self._writing is None:
                self._writing = asyncio.create_task(self._write())
            return await done

    def close(self) -> None:
        """End the thread, after what it is writing."""
        self._thread.shutdown()

    async def _write(self) -> None:
        while self._waiting:
            taken = self._take()
            together = [decision for one in taken for decision in one.decisions]
            left = max(LEAST, min(one.until for one in taken) - time.monotonic())
            job = functools.partial(self._store.settle, together, now=self._clock(), patience=left)
            work = asyncio.get_running_loop().run_in_executor(self._thread, job)
            await asyncio.wait([work])
            _hand_out(taken, work)
        self._writing = None

    def _take(self) -> list[_Waiting]:
        size, count = 0, 0
        for one in self._waiting:
            size += len(one.decisions)
            if count and size > _MOST:
                break
            count += 1
        taken, self._waiting = self._waiting[:count], self._waiting[count:]
        return taken


def _hand_out(taken: Sequence[_Waiting], work: asyncio.Future[tuple[Settled, ...]]) -> None:
    error = work.exception()
    start = 0
    for one in taken:
        decisions, done = one.decisions, one.done
        if done.cancelled():
            pass  # whoever waited has gone
        elif error is not None:
            done.set_exception(error)
        else:
            done.set_result(work.result()[start : start + len(decisions)])
        start += len(decisions)
