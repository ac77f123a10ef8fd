"""What the gateway's process says of trouble: the kind of error and the line that raised it, never a text.

An error's text, and the arguments of a library's message, may hold what was sent.
"""

from __future__ import annotations

import logging
import sys
import traceback

import msgspec


class Sparing(logging.Formatter):
    """One line of JSON a record."""

    def format(self, record: logging.LogRecord) -> str:
        """Its level, its logger, and of an exception type and place."""
        line = {"level": record.levelname.lower(), "logger": record.name}
        kind, _, trace = record.exc_info or (None, None, None)
        if kind is not None:
            frames = traceback.extract_tb(trace)
            line["error"] = f"{kind.__name__} at {frames[-1].filename}:{frames[-1].lineno}" if frames else kind.__name__
        return msgspec.json.encode(line).decode()


def log_sparingly() -> None:
    """Send warnings and worse of everything in this process to standard error, without their texts."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(Sparing())
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
