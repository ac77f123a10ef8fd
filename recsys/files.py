"""Writing files so that a reader never sees half of one: write beside, flush to disk, rename."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from recsys.errors import OutputError

_CHUNK: Final = 1 << 20


@contextlib.contextmanager
def replacing(path: Path, *, mode: int = 0o644) -> Iterator[Path]:
    """Yield a path beside `path` to write to; it takes `path`'s place when the block succeeds, else it goes.

    Raises:
        OutputError: The disk is full, or the place cannot be written.
    """
    with _parents(path), explained(path):
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        os.close(handle)
        beside = Path(name)
        try:
            yield beside
            beside.chmod(mode)
            flush(beside)
            beside.replace(path)
            flush(path.parent)
        finally:
            beside.unlink(missing_ok=True)


@contextlib.contextmanager
def new_folder(path: Path, *, mode: int = 0o755) -> Iterator[Path]:
    """Yield a folder beside `path` to fill; it becomes `path` when the block succeeds, else it goes.

    Raises:
        OutputError: `path` holds something already, the disk is full, or the place cannot be written.
    """
    check_new(path)
    with _parents(path), explained(path):
        beside = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}."))
        try:
            yield beside
            beside.chmod(mode)
            for file in beside.rglob("*"):
                flush(file)
            beside.replace(path)
            flush(path.parent)
        except OutputError as error:  # nobody knows the folder by the name that it has for now
            where = (error.where or "").replace(str(beside), str(path))
            raise OutputError(error.what, where=where, mend=error.mend) from None
        finally:
            shutil.rmtree(beside, ignore_errors=True)


def check_new(path: Path) -> None:
    """Return where a new folder could take this name.

    Raises:
        OutputError: It holds something already, or is no folder.
    """
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise OutputError("is not an empty folder", where=str(path), mend="Name a new one; nothing was written")


def write_text(path: Path, text: str, *, mode: int = 0o644) -> None:
    """Replace the file at `path` by `text`, all of it or nothing."""
    with replacing(path, mode=mode) as beside:
        beside.write_text(text, encoding="utf-8")


def sha256_of(path: Path) -> str:
    """The file's SHA-256, in lower-case hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def shred(path: Path) -> None:
    """Overwrite a file with zeros, from its first byte on, and remove it.

    A file that begins with zeros is one whose shredding was interrupted. What the disk, a snapshot or a backup keeps of
    the old bytes is out of reach.
    """
    with explained(path):
        left = path.stat().st_size
        with path.open("r+b") as file:
            while left:
                left -= file.write(bytes(min(left, _CHUNK)))
            file.flush()
            os.fsync(file.fileno())
        path.unlink()
        flush(path.parent)


@contextlib.contextmanager
def explained(path: Path) -> Iterator[None]:
    """Turn an `OSError` of the block into an `OutputError` that names `path`."""
    try:
        yield
    except OSError as error:
        raise OutputError(
            f"cannot be written ({error.strerror or 'the disk refused, or is full'})",
            where=str(path),
            mend="Free some space or name another place; what stood there before is unchanged",
        ) from None


@contextlib.contextmanager
def _parents(path: Path) -> Iterator[None]:
    """Make the folders that `path` stands in; those that were not there go again if the block fails."""
    made = [folder for folder in path.parents if not folder.exists()]
    try:
        with explained(path):
            path.parent.mkdir(parents=True, exist_ok=True)
        yield
    except BaseException:
        for folder in made:
            with contextlib.suppress(OSError):  # something else stands in it by now
                folder.rmdir()
        raise


def flush(path: Path) -> None:
    """Wait until a file's content, or a folder's list of names, is on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
