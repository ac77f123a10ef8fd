"""A server with a small file system of its own in memory, at /mnt, which can be full: where the system allows it."""

from __future__ import annotations

import contextlib
import functools
import os
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import Final

from support.server import Server

_IN_MEMORY: Final = ("mount", "-t", "tmpfs", "-o", "size=6m", "none", "/mnt")
_ON_ITS_OWN: Final = """import os, sys
os.execvp("unshare", ["unshare", "-m", "sh", "-c", sys.argv[1], sys.executable, *sys.argv[2:]])"""


@functools.cache
def may_mount() -> bool:
    """Whether a process may have a file system of its own."""
    if shutil.which("unshare") is None:
        return False
    return subprocess.run(["unshare", "-m", *_IN_MEMORY], capture_output=True, check=False).returncode == 0  # noqa: S603, S607 - mount, from the path


def on_a_small_disk(*files: Path) -> tuple[str, ...]:
    """How to start a `Server` on one; copies of `files` lie there."""
    words = [shlex.join(_IN_MEMORY), *(shlex.join(["cp", str(file), "/mnt"]) for file in files)]
    return ("-c", _ON_ITS_OWN, " && ".join([*words, 'exec "$0" -m serving "$@"']))


def seen_from_here(server: Server, name: str) -> Path:
    """Where this process finds a file of that file system, while the server runs."""
    return Path("/proc", f"{server.process.pid}", "root", "mnt", name)


def fill(server: Server) -> Path:
    """Leave no room in that file system, if it has one; the file that takes it all."""
    rest = seen_from_here(server, "rest")
    if "none /mnt tmpfs" in Path(f"/proc/{server.process.pid}/mounts").read_text():
        with rest.open("wb", buffering=0) as file:
            with contextlib.suppress(OSError):
                while file.write(bytes(4096)):
                    pass
            assert os.fstatvfs(file.fileno()).f_bavail == 0
    return rest
