"""Which calls that wait for the disk processes make, as strace sees them."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple

CALLS: Final = ("fsync", "fdatasync", "sync_file_range", "msync", "sync", "syncfs")
_LINE: Final = re.compile(rf"^\d+ +(\d+\.\d+) ({'|'.join(CALLS)})\((?:\d+<([^>]*)>)?")
_TRACE_OTHERS: Final = 19  # CAP_SYS_PTRACE
_ATTACHED_SECONDS: Final = 10


class Call(NamedTuple):
    """One call: when (Unix time), and the file that was meant; none where the call names none."""

    at: float
    name: str
    path: str


def may_watch() -> bool:
    """Whether strace is installed and may watch this process and others: root only with its capability."""
    scope = Path("/proc/sys/kernel/yama/ptrace_scope")
    rights = re.search(r"^CapEff:\s*(\w+)", Path("/proc/self/status").read_text(), re.MULTILINE)
    capable = rights is not None and bool(int(rights[1], 16) >> _TRACE_OTHERS & 1)
    free = os.geteuid() != 0 and (not scope.exists() or scope.read_text().strip() == "0")
    return shutil.which("strace") is not None and (capable or free)


@contextlib.contextmanager
def watched(pids: Sequence[int], log: Path) -> Iterator[None]:
    """Have strace write down the calls of these processes while the block lasts.

    Raises:
        RuntimeError: It may not.
    """
    whom = [word for pid in pids for word in ("-p", str(pid))]
    words = ["strace", "-f", "-y", "-ttt", "-e", f"trace={','.join(CALLS)}", "-e", "signal=none", "-o", str(log), *whom]
    with subprocess.Popen(words, stderr=subprocess.PIPE, text=True) as process:  # noqa: S603 - strace, on our processes
        try:
            _wait_until_attached(pids, process)
            yield
        finally:
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=30)


def calls_in(log: Path) -> list[Call]:
    """What strace wrote down."""
    found = map(_LINE.match, log.read_text().splitlines())
    return [Call(float(one[1]), one[2], one[3] or "") for one in found if one is not None]


def _wait_until_attached(pids: Sequence[int], process: subprocess.Popen[str]) -> None:
    """The kernel says of each process who traces it."""
    until = time.monotonic() + _ATTACHED_SECONDS
    while not all(_tracer(pid) == process.pid for pid in pids):
        if process.poll() is not None or time.monotonic() > until:
            raise RuntimeError("strace may not watch these processes (kernel.yama.ptrace_scope?)")
        time.sleep(0.01)


def _tracer(pid: int) -> int:
    said = re.search(r"^TracerPid:\s*(\d+)", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    return int(said[1]) if said else 0
