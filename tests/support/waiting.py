"""Waiting for what comes about in another process."""

from __future__ import annotations

import time
from collections.abc import Callable


def until(condition: Callable[[], object], *, seconds: float = 30, pause: float = 0.05) -> None:
    """Return once it holds; an error, if it does not within so many seconds."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() >= deadline:
            raise AssertionError(f"not within {seconds:g} seconds")
        time.sleep(pause)
