"""Starting the real server on a free port, and stopping it."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def running(command: Sequence[object], *, cwd: Path | None = None) -> Iterator[str]:
    """The address of a server that `command` starts, for as long as the block lasts; it must then end well."""
    with subprocess.Popen(list(map(str, command)), cwd=cwd, stdout=subprocess.PIPE, text=True) as server:  # noqa: S603 - our own server
        try:
            if server.stdout is None:
                raise RuntimeError("no standard output")
            yield server.stdout.readline().strip()
        finally:
            server.send_signal(signal.SIGTERM)
            status = server.wait(timeout=30)
    if status:
        raise RuntimeError(f"the server ended with status {status}")
