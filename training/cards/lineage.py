"""Where a bundle's purchases came from, as part of a card: the release report that its manifest names."""

from __future__ import annotations

from pathlib import Path

from recsys.contracts.document import decode_document
from recsys.contracts.manifest import Manifest
from recsys.contracts.release import RELEASE_FILE, Release
from recsys.errors import BundleError
from recsys.files import sha256_of


def lineage(manifest: Manifest, release: Path) -> str:
    """Markdown.

    Args:
        manifest: Of the bundle.
        release: The release's folder, or its `release.json`.

    Raises:
        BundleError: It is not the release that the bundle was learned from.
    """
    path = release / RELEASE_FILE if release.is_dir() else release
    if not path.is_file() or sha256_of(path) != manifest.data.release:
        raise BundleError(
            "is not the release that the bundle was learned from",
            where=str(path),
            mend="Name the release whose hash stands in the manifest",
        )
    made = decode_document(path.read_bytes(), Release, where=str(path))
    dropped = ", ".join(f"{reason} {count:,}" for reason, count in made.dropped.items()) or "nothing"
    policy = f"`{made.guard_policy}`" if made.guard_policy else "none"
    return f"""## Lineage

| | |
|---|---|
| release | `{manifest.data.release}` |
| fingerprint of its files | `{made.fingerprint}` |
| field policy | `{made.field_policy}` |
| policy whose never-items were dropped at the gate | {policy} |
| domain and epoch of its tokens | `{made.domain}`, `{made.epoch}` |
| rows that did not pass | {dropped} |"""
