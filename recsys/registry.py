"""Finding a bundle in `models/<name>/<version>/`. Reading only: `training.registry` writes."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from recsys.errors import BundleError

CURRENT_FILE: Final = "current"  # one line: the version that serves


def resolve_bundle(path: Path) -> Path:
    """The bundle's folder: `path` itself, or, for `models/<name>`, the version that its `current` names."""
    current = path / CURRENT_FILE
    if not current.is_file():
        return path
    version = current.read_text(encoding="utf-8", errors="replace").strip()
    if not version or version.startswith(".") or Path(version).name != version:
        raise BundleError("does not hold the name of a version", where=str(current), mend="Promote a version again")
    if not (path / version).is_dir():
        raise BundleError(
            f"names version {version!r}, which is not there", where=str(current), mend="Promote another version"
        )
    return path / version
