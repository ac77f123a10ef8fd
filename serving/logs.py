"""Logs: warnings and worse, on standard error. Of an exception they hold its type and place, never its text."""

from __future__ import annotations

import logging
import traceback
from types import TracebackType
from typing import Final

_FORMAT: Final = "%(asctime)s %(levelname)s %(name)s %(message)s"

_ExceptionInfo = tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]


class TypeOnly(logging.Formatter):
    """An exception's text may hold what was sent; its type and the line that raised it do not."""

    def formatException(self, ei: _ExceptionInfo) -> str:  # noqa: N802 - the standard library's name
        """The type and where it was raised."""
        kind, _, trace = ei
        frames = traceback.extract_tb(trace)
        place = f" at {frames[-1].filename}:{frames[-1].lineno}" if frames else ""
        return f"{kind.__name__ if kind else 'None'}{place}"


def log_to_standard_error() -> None:
    """Send the warnings of everything in this process to standard error."""
    handler = logging.StreamHandler()
    handler.setFormatter(TypeOnly(_FORMAT))
    logging.basicConfig(level=logging.WARNING, handlers=[handler])
