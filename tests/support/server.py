"""A real server in a process of its own, on a free port."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx
import msgspec


class Server:
    """`recsys-serve` with the given options, while the block lasts; afterwards `output` holds all that it printed.

    Args:
        options: Its options, with `--port 0`.
        command: Another way to start it.
        cwd: Where to start it.
    """

    def __init__(self, *options: object, command: Sequence[str] = ("-m", "serving"), cwd: Path | None = None) -> None:
        self._words = [sys.executable, *command, *map(str, options)]
        self._cwd = cwd
        self.output = ""

    def __enter__(self) -> Self:
        """Start, and wait for the line that says where."""
        self._said = tempfile.TemporaryFile("w+")
        self._process = subprocess.Popen(  # noqa: S603 - our own command
            self._words,
            cwd=self._cwd,
            stdout=subprocess.PIPE,
            stderr=self._said,
            text=True,
            env={**os.environ, "NO_COLOR": "1", "COLUMNS": "200"},
        )
        self.first_line = self._process.stdout.readline() if self._process.stdout else ""
        if not self.first_line:
            self._end()
            raise RuntimeError(self.output)
        url = msgspec.json.decode(self.first_line)["url"] if self.first_line.startswith("{") else self.first_line
        self.http = httpx.Client(base_url=url.strip(), timeout=30)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop, if a test has not done so."""
        self.stop()

    def send(self, number: int) -> None:
        """Send a signal and go on."""
        self._process.send_signal(number)

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Send a signal and return the status that the server ends with."""
        if self._process.returncode is None:
            self.http.close()
            self._process.send_signal(number)
            self._end()
        return self._process.returncode

    def _end(self) -> None:
        rest, _ = self._process.communicate(timeout=30)
        self._said.seek(0)
        self.output = self.first_line + rest + self._said.read()
        self._said.close()

    def ask(self, subject: str, channel: str = "email", **more: object) -> dict[str, Any]:
        """One decision."""
        return self._answered("/v1/decisions", {"subject": subject, "channel": channel, **more})

    def tell(self, *events: dict[str, object]) -> dict[str, Any]:
        """Report events."""
        return self._answered("/v1/events", list(events))

    def _answered(self, path: str, body: object) -> dict[str, Any]:
        response = self.http.post(path, json=body)
        if response.status_code != httpx.codes.OK:
            raise RuntimeError(f"{response.status_code}: {response.text}")
        answer: dict[str, Any] = response.json()
        return answer


def problem(response: httpx.Response, status: int) -> dict[str, object]:
    """The problem document, checked for what all of them have in common."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    assert response.headers["cache-control"] == "no-store"
    document = response.json()
    assert document["status"] == status
    assert document.keys() - {"errors"} == {"type", "title", "status", "detail"}
    assert all(error.keys() == {"field", "what", "mend"} for error in document.get("errors", []))
    return dict(document)
