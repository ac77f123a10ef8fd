"""From the URL of `--state` to a store."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from recsys.errors import UsageError
from serving.stores.interface import Store
from serving.stores.sqlite import SqliteStore

_SQLITE: Final = "sqlite:///"


def open_store(url: str) -> Store:
    """Open a store that was loaded before.

    Raises:
        UsageError: The URL names no kind of store that there is.
        StoreError: There is no store, it is not one of ours, of another version, damaged, or was never loaded.
    """
    return SqliteStore.opened(_sqlite_path(url))


def create_store(url: str) -> Store:
    """Open a store to load it, made anew where there is none."""
    return SqliteStore.created(_sqlite_path(url))


def _sqlite_path(url: str) -> Path:
    """The path in `sqlite:///PATH`. The URL is not repeated in errors: those of other databases hold a password."""
    path = url.removeprefix(_SQLITE)
    if path == url or not path or "?" in path:
        raise UsageError(
            "names no store that this program knows",
            where="--state",
            mend="Write sqlite:///PATH; an absolute path makes four slashes",
        )
    return Path(path)
