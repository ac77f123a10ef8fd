"""A real server in a process of its own, on a free port."""

from __future__ import annotations

import contextlib
import datetime as dt
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx
import msgspec

from serving.keys import SCOPES, new_key
from serving.stores import open_store


class Server:
    """`recsys-serve` with the given options, while the block lasts; afterwards `output` holds all that it printed.

    Args:
        options: Its options, with `--port 0`.
        command: Another way to start it.
        cwd: Where to start it.
        scopes: Of the key that `http` sends; none: it sends no key.
        environment: Beside this process's own.
    """

    def __init__(
        self,
        *options: object,
        command: Sequence[str] = ("-m", "serving"),
        cwd: Path | None = None,
        scopes: Collection[str] = SCOPES,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self._words = [sys.executable, *command, *map(str, options)]
        self._cwd, self._scopes, self._environment = cwd, scopes, environment or {}
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
            env={**os.environ, "NO_COLOR": "1", "COLUMNS": "200", **self._environment},
        )
        self.first_line = self._process.stdout.readline() if self._process.stdout else ""
        if not self.first_line:
            self._end()
            raise RuntimeError(self.output)
        url = msgspec.json.decode(self.first_line)["url"] if self.first_line.startswith("{") else self.first_line
        self.key = key_for(self.state, self._scopes) if self._scopes else ""
        headers = {"authorization": f"Bearer {self.key}"} if self.key else {}
        self.http = httpx.Client(base_url=url.strip(), timeout=30, headers=headers)
        return self

    @property
    def url(self) -> str:
        """Where it is, without a slash at the end."""
        return str(self.http.base_url).rstrip("/")

    @property
    def state(self) -> str:
        """The URL of its store."""
        return self._words[self._words.index("--state") + 1]

    @property
    def process(self) -> subprocess.Popen[str]:
        """The process."""
        return self._process

    @property
    def said(self) -> str:
        """What it has printed on standard error so far."""
        return Path(f"/proc/self/fd/{self._said.fileno()}").read_text()

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


def key_for(state: str, scopes: Collection[str]) -> str:
    """A new key, put into the store as `recsys-serve keys create` does."""
    key, stored = new_key("test", scopes, now=dt.datetime.now(dt.UTC))
    with contextlib.closing(open_store(state)) as store:
        store.keys.add(stored)
    return key


def workers_of(server: Server) -> set[int]:
    """The ids of its workers, where it has several, without the process that tracks what they share."""
    pid = server.process.pid
    born = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    found = set()
    for child in born:
        with contextlib.suppress(FileNotFoundError):  # it ended meanwhile
            if b"spawn_main" in Path(f"/proc/{child}/cmdline").read_bytes():
                found.add(int(child))
    return found


def problem(response: httpx.Response, status: int) -> dict[str, object]:
    """The problem document, checked for what all of them have in common."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    assert response.headers["cache-control"] == "no-store", response.headers
    document = response.json()
    assert document["status"] == status
    assert document.keys() - {"errors"} == {"type", "title", "status", "detail"}
    assert all(error.keys() == {"field", "what", "mend"} for error in document.get("errors", []))
    return dict(document)
