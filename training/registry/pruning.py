"""Taking old versions away: never the current one, nor the one that a rollback would lead to."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from recsys.files import explained, flush
from recsys.registry import bundle_versions, current_version
from training.registry.journal import locked, previous_version


def to_prune(folder: Path, *, keep: int) -> tuple[str, ...]:
    """The versions of `models/<name>` beyond the `keep` newest that nothing needs, oldest first.

    Args:
        folder: `models/<name>`.
        keep: How many of the newest stay, whatever serves.
    """
    needed = {current_version(folder), previous_version(folder)}
    versions = bundle_versions(folder)
    return tuple(version for version in versions[: max(len(versions) - keep, 0)] if version not in needed)


def prune(folder: Path, *, keep: int) -> tuple[str, ...]:
    """Take them away, each at once: no reader finds half a bundle. Returns which."""
    with locked(folder):
        gone = to_prune(folder, keep=keep)
        for version in gone:
            with explained(folder / version):
                aside = Path(tempfile.mkdtemp(dir=folder, prefix=f".{version}."))
                (folder / version).rename(aside / version)
                flush(folder)
                shutil.rmtree(aside)
    return gone
