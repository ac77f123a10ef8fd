"""Logs: JSON lines; of an exception its type and place, never its text; no token, whoever wrote it."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest
from support.tokens import token

pytestmark = pytest.mark.slow  # a process

PERSON = "anna.berg@example.org"
SCRIPT = """
import logging, sys, structlog
from serving.logs import log_to_standard_error

person, token = sys.argv[1:]
log_to_standard_error("info")
log, other = structlog.stdlib.get_logger("serving.test"), logging.getLogger("some.library")
log.info("activated", model_version="m/1")
log.debug("request", route="/v1/events")
other.warning("odd: %s", 7)
other.info("chatter")
logging.getLogger("psycopg").warning("error ignored: %s", person)
try:
    raise ValueError(person)
except ValueError as error:
    log.warning("failed", exc_info=True)
    log.warning("failed", exc_info=error)
    other.exception("failed for %s", token)
log.warning("odd", what=f"no such {token} here")
"""


@pytest.fixture(scope="module")
def lines() -> list[dict[str, Any]]:
    done = subprocess.run(  # noqa: S603 - the script above
        [sys.executable, "-c", SCRIPT, PERSON, token("anna")], capture_output=True, text=True, check=True
    )
    assert PERSON not in done.stderr
    assert token("anna") not in done.stderr
    return [json.loads(line) for line in done.stderr.splitlines()]


def test_our_lines_and_the_warnings_of_libraries(lines: list[dict[str, Any]]) -> None:
    first, second, *others = lines
    assert (first["event"], first["level"], first["model_version"]) == ("activated", "info", "m/1")
    assert (second["event"], second["level"]) == ("odd: 7", "warning")
    assert first["timestamp"].endswith("Z")
    assert len(others) == 4


def test_of_exceptions_and_tokens_only_that_they_were_there(lines: list[dict[str, Any]]) -> None:
    *failed, odd = lines[2:]
    assert all(line["error"] == "ValueError at <string>:14" for line in failed)
    assert failed[2]["event"] == "failed for [token]"
    assert odd["what"] == "no such [token] here"
