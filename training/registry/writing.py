"""Writing into `models/<name>/<version>/`. Reading is in `recsys.registry`."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from recsys.errors import OutputError, UsageError
from recsys.files import new_folder, write_text
from recsys.registry import CURRENT_FILE

NAME_PATTERN: Final = r"[a-z][a-z0-9-]{0,31}"


def check_name(name: str) -> None:
    """Refuse a bundle's name that would be awkward as a folder, in a decision, or in a path."""
    if not re.fullmatch(NAME_PATTERN, name):
        raise UsageError(
            "is not a name for a bundle",
            where="--name",
            mend="Take up to 32 lower-case letters, digits and hyphens, a letter first",
        )


def write_bundle(models: Path, name: str, version: str, files: Mapping[str, bytes]) -> tuple[Path, bool]:
    """Write a bundle, whole or not at all; one that is there already with the same bytes is left as it is.

    Returns:
        The bundle's folder, and whether it is new.

    Raises:
        OutputError: The place cannot be written, or that version is there with other bytes.
    """
    folder = models / name / version
    if folder.exists() and _holds(folder, files):
        return folder, False
    if folder.exists():
        raise OutputError(
            "is there already and differs: it was changed, or signed with another key",
            where=str(folder),
            mend="Check it with its public key, or name another folder for --models",
        )
    try:
        with new_folder(folder) as beside:
            for file, content in files.items():
                (beside / file).write_bytes(content)
    except OutputError:
        _remove_if_empty(folder.parent)
        raise
    return folder, True


def serve_if_first(models: Path, name: str, version: str) -> str:
    """Make `version` the current one where there is none yet, and return the one that is current.

    Later ones are promoted, on purpose and never by a fit.
    """
    current = models / name / CURRENT_FILE
    if not current.is_file():
        write_text(current, f"{version}\n")
    return current.read_text(encoding="utf-8").strip()


def _remove_if_empty(folder: Path) -> None:
    with contextlib.suppress(OSError):
        folder.rmdir()


def _holds(folder: Path, files: Mapping[str, bytes]) -> bool:
    here = {file.name for file in folder.iterdir()}
    return here == files.keys() and all((folder / name).read_bytes() == content for name, content in files.items())
