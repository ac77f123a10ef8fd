"""Probing the store: whether it answers, for all who ask, with one try at a time and no more than one a second.

Anybody may ask whether the service is ready, and a try writes. So those who ask while one is under way wait for that
one, and what went well holds for a second. What failed is tried again by whoever asks next.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, Generic, TypeVar

from serving.stores import StoreError

_HOLDS: Final = 1.0  # seconds from the beginning of a try
_PATIENCE: Final = 2.5  # seconds from there on: the store itself gives up after two, and says why

T = TypeVar("T")


class Probe(Generic[T]):
    """One process's probe, in a thread of its own: work that waits for the store does not keep it.

    Args:
        attempt: What is tried. It may take long, and raise `StoreError`.
    """

    def __init__(self, attempt: Callable[[], T]) -> None:
        self._attempt = attempt
        self._thread = ThreadPoolExecutor(1, "probe")
        self._latest: asyncio.Future[T] | None = None
        self._began = 0.0

    async def outcome(self) -> T:
        """What the attempt returned, now or less than a second ago.

        Raises:
            StoreError: It failed, or takes too long.
        """
        loop = asyncio.get_running_loop()
        latest = self._latest
        if latest is None or (latest.done() and (latest.exception() or loop.time() > self._began + _HOLDS)):
            latest = self._latest = loop.run_in_executor(self._thread, self._attempt)
            self._began = loop.time()
        await asyncio.wait([latest], timeout=max(0.0, self._began + _PATIENCE - loop.time()))
        if not latest.done():
            raise StoreError(f"the state did not answer within {_PATIENCE} seconds")
        return latest.result()
