"""Looking at the store again: something that it holds and this process keeps in memory may have been changed.

Anybody can make the service look, with a made-up key or a token of elsewhere, and a store may hang. So a look has a
thread of its own, there is one at a time, and all who wait share it. Nobody is told by a look that began before they
asked: what was there by then is found.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, Generic, TypeVar

from serving.stores import StoreError, waiting

T = TypeVar("T")

_LATE: Final = "the state did not answer in time"


class Lookout(Generic[T]):
    """Keeps `seen`: what the store held when it was looked at last.

    Args:
        name: Of the thread.
        counted: How often it was changed, as the store says.
        read: Reads it.
        pause: Seconds between the beginnings of two looks; whoever asks meanwhile waits for the next.
    """

    def __init__(self, name: str, counted: Callable[[], int], read: Callable[[], T], *, pause: float = 0.0) -> None:
        self._counted, self._read, self._pause = counted, read, pause
        self._changed = counted()  # first: what is changed meanwhile is read again
        self.seen = read()
        self._refreshing, self._turn = threading.Lock(), asyncio.Lock()
        self._thread = ThreadPoolExecutor(1, name)
        self._next: asyncio.Task[StoreError | None] | None = None
        self._due = 0.0  # when (monotonic) the next look may begin

    def refresh(self) -> None:
        """Read it again if it was changed. It waits for the store: not for the event loop.

        Raises:
            StoreError: The store does not answer.
        """
        with self._refreshing:
            changed = self._counted()
            if changed != self._changed:
                self.seen, self._changed = self._read(), changed

    async def look(self) -> T:
        """What the store holds, by a look that begins now or later.

        Raises:
            StoreError: It does not answer, or takes longer than whoever asks has time.
        """
        if self._next is None:
            self._next = asyncio.create_task(self._looked())
        looked = self._next
        with waiting() as until:
            await asyncio.wait([looked], timeout=until - time.monotonic())
        error = looked.result() if looked.done() else StoreError(_LATE)
        if error is not None:
            raise error
        return self.seen

    def close(self) -> None:
        """End the thread, after what it is doing."""
        self._thread.shutdown()

    async def _looked(self) -> StoreError | None:
        """Look, once those before have; an error is for those who still wait, if any do."""
        async with self._turn:
            await asyncio.sleep(self._due - time.monotonic())
            self._next, self._due = None, time.monotonic() + self._pause
            try:
                await asyncio.get_running_loop().run_in_executor(self._thread, self.refresh)
            except StoreError as error:
                return error
            return None
