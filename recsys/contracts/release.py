"""The release: what the identity gate writes beside the tables, so that every later file can say where it came from."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Final

import msgspec

from recsys.contracts.document import decode_document
from recsys.contracts.token import DOMAIN_PATTERN, EPOCH_PATTERN

RELEASE_FILE: Final = "release.json"


class Release(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`release.json`. Holds counts and hashes, nothing about one person."""

    contract: Annotated[str, msgspec.Meta(pattern=r"^release/1$")] = "release/1"
    domain: Annotated[str, msgspec.Meta(pattern=f"^{DOMAIN_PATTERN}$")]
    epoch: Annotated[str, msgspec.Meta(pattern=f"^{EPOCH_PATTERN}$")]
    field_policy: str  # SHA-256 of the field policy's bytes; of what a service writes, that there is none
    guard_policy: str | None  # SHA-256 of the guards' policy whose never-categories were dropped
    fingerprint: str  # SHA-256 over the names and hashes of the files, in the order of their names
    files: dict[str, str]  # file name to SHA-256
    rows: dict[str, int]  # file name to number of rows
    dropped: dict[str, int]  # reason to number of rows that did not pass; a partner is not told
    gate: str | None = None  # SHA-256 of `gate.json`, which the release gate wrote about it


def release_beside(purchases: Path) -> Release | None:
    """The release that a purchases file or folder belongs to, or None where there is no `release.json`."""
    folder = purchases if purchases.is_dir() else purchases.parent
    path = folder / RELEASE_FILE
    return decode_document(path.read_bytes(), Release, where=str(path)) if path.is_file() else None


def fingerprint(files: Mapping[str, str]) -> str:
    """SHA-256 over a line `name hash` for each file, in the order of their names."""
    lines = "".join(f"{name} {files[name]}\n" for name in sorted(files))
    return hashlib.sha256(lines.encode()).hexdigest()
