"""Logs: JSON lines on standard error. Of an exception they hold type and place, never its text; and no token.

What is logged is chosen word by word: routes and not paths, the name of a field and not its value. The last step hides
whatever looks like a token all the same.
"""

from __future__ import annotations

import logging
import re
import sys
import traceback
from collections.abc import MutableMapping
from types import TracebackType
from typing import Any, Final

import msgspec
import structlog

from recsys.contracts.token import TOKEN_PATTERN

_TOKEN: Final = re.compile(TOKEN_PATTERN.strip("^$"))
_HIDDEN: Final = "[token]"

_Line = MutableMapping[str, Any]
_ExceptionInfo = tuple[type[BaseException], BaseException, TracebackType | None]


def log_to_standard_error(level: str = "warning") -> None:
    """Send everything in this process from `level` on to standard error; of libraries only warnings and worse."""
    shared: list[structlog.typing.Processor] = [
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                type_and_place,
                without_tokens,
                structlog.processors.JSONRenderer(_rendered),
            ],
        )
    )
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    logging.getLogger("serving").setLevel(level.upper())
    logging.getLogger("psycopg").setLevel(logging.CRITICAL)  # its warnings repeat what the database said, with values


def type_and_place(_: object, __: str, line: _Line) -> _Line:
    """An exception's text may hold what was sent; its type and the line that raised it do not."""
    info = line.pop("exc_info", None)
    if info is True:
        info = sys.exc_info()
    if isinstance(info, BaseException):
        info = (type(info), info, info.__traceback__)
    if info and info[0] is not None:
        line["error"] = _told(info)
    return line


def without_tokens(_: object, __: str, line: _Line) -> _Line:
    """The line with every token in a text hidden."""
    return {name: _TOKEN.sub(_HIDDEN, value) if isinstance(value, str) else value for name, value in line.items()}


def _told(info: _ExceptionInfo) -> str:
    kind, _, trace = info
    frames = traceback.extract_tb(trace)
    return f"{kind.__name__} at {frames[-1].filename}:{frames[-1].lineno}" if frames else kind.__name__


def _rendered(line: _Line, **_: object) -> str:
    return msgspec.json.encode(line, enc_hook=lambda value: type(value).__name__).decode()
