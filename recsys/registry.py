"""Finding bundles in `models/<name>/<version>/`. Reading only: `training.registry` writes."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from recsys.contracts.document import decode_document
from recsys.contracts.manifest import MANIFEST_FILE, Manifest
from recsys.errors import BundleError

CURRENT_FILE: Final = "current"  # one line: the version that serves


def resolve_bundle(path: Path) -> Path:
    """The bundle's folder: `path` itself, or, for `models/<name>`, the version that its `current` names."""
    version = current_version(path)
    if version is None:
        return path
    if not (path / version).is_dir():
        raise BundleError(
            f"names version {version!r}, which is not there",
            where=str(path / CURRENT_FILE),
            mend="Promote another version",
        )
    return path / version


def current_version(folder: Path) -> str | None:
    """The version that `models/<name>/current` names; None where there is no such file.

    Raises:
        BundleError: It holds no version's name.
    """
    current = folder / CURRENT_FILE
    if not current.is_file():
        return None
    version = current.read_text(encoding="utf-8", errors="replace").strip()
    if not is_version(version):
        raise BundleError("does not hold the name of a version", where=str(current), mend="Promote a version again")
    return version


def is_version(text: str) -> bool:
    """Whether a text can be a version's name: one that leads to no other folder."""
    return bool(text) and not text.startswith(".") and Path(text).name == text


def bundle_names(models: Path) -> tuple[str, ...]:
    """The names that have a version, sorted.

    Raises:
        BundleError: There is no such folder.
    """
    if not models.is_dir():
        raise BundleError("no such folder", where=str(models), mend="Name the folder of all bundles")
    return tuple(sorted(folder.name for folder in models.iterdir() if folder.is_dir() and bundle_versions(folder)))


def bundle_versions(folder: Path) -> tuple[str, ...]:
    """The versions in `models/<name>`, sorted: those learned from later days come last."""
    found = (path.parent.name for path in folder.glob(f"*/{MANIFEST_FILE}"))
    return tuple(sorted(version for version in found if is_version(version)))


def read_manifest(folder: Path) -> Manifest:
    """The manifest of a version, its signature unchecked: good for a list, never for use.

    Raises:
        BundleError: It is missing, or not one that this program knows.
        ContractError: It is not a manifest.
    """
    path = folder / MANIFEST_FILE
    if not path.is_file():
        raise BundleError("no such bundle", where=str(folder), mend="See which there are: recsys-train list --models …")
    return decode_document(path.read_bytes(), Manifest, where=str(path))
