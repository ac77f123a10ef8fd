"""Patience: for how long whoever asks waits for the store, in all that one request asks of it.

What is spent elsewhere does not count: a request that takes long to compute is not the store's fault. And what is on
its way always has a moment more, since giving up costs more than asking once.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Final

from serving.stores.database import PATIENCE

LEAST: Final = 0.1  # seconds that a call has, whatever those before it took


@dataclass(slots=True)
class _Budget:
    left: float


_OF_THE_REQUEST: Final[ContextVar[_Budget | None]] = ContextVar("patience", default=None)


@contextlib.contextmanager
def of_one_request() -> Iterator[None]:
    """What is asked of the store within the block, also from threads that it waits for, has `PATIENCE` in all."""
    token = _OF_THE_REQUEST.set(_Budget(PATIENCE))
    try:
        yield
    finally:
        _OF_THE_REQUEST.reset(token)


@contextlib.contextmanager
def waiting(patience: float = PATIENCE) -> Iterator[float]:
    """One call to the store: until when (monotonic) it may wait. What it takes is taken from what the request has."""
    budget, began = _OF_THE_REQUEST.get(), time.monotonic()
    if budget is None:
        yield began + patience
        return
    try:
        yield began + max(LEAST, min(patience, budget.left))
    finally:
        budget.left -= time.monotonic() - began
