"""One writer at a time: whoever changes the vault holds its lock file.

The system frees the lock of a process that dies.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from pseudonymize.keys import VaultError

LOCK_FILE: Final = "lock"
_PATIENCE: Final = 30.0  # seconds; nobody holds the lock while working on data
_PAUSE: Final = 0.02


@contextlib.contextmanager
def locked(folder: Path, *, patience: float = _PATIENCE) -> Iterator[None]:
    """Hold the vault's lock.

    Raises:
        VaultError: Somebody else holds it for longer than `patience` seconds, or the vault cannot be written.
    """
    try:
        handle = os.open(folder / LOCK_FILE, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise VaultError(
            f"cannot be written ({error.strerror})", where=str(folder), mend="Every key use is logged in the vault"
        ) from None
    try:
        _wait(handle, folder, patience)
        yield
    finally:
        os.close(handle)


def _wait(handle: int, folder: Path, patience: float) -> None:
    end = time.monotonic() + patience
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > end:
                mend = "Wait for the other run to end, or end it"
                raise VaultError("another process holds its lock", where=str(folder), mend=mend) from None
            time.sleep(_PAUSE)
        else:
            return
