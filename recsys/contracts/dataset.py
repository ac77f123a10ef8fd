"""The purchases dataset: what releases brought, in one folder that changes all at once.

`dataset.json` names every file that belongs to it, with its hash; a file that it does not name is no part of it. Files
are named by the start of their hash and never changed in place: a change writes new ones, replaces `dataset.json`, and
removes the old ones. Tables with one row a person (subjects, demographics) are one file, newest rows last; the others
are one part a release.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final

import msgspec

from recsys.contracts.document import decode_document
from recsys.contracts.erasure import ErasureReceipt
from recsys.contracts.manifest import Sha256
from recsys.contracts.rekey import RekeyReceipt
from recsys.contracts.relink import RelinkReceipt
from recsys.contracts.token import DOMAIN_PATTERN, EPOCH_PATTERN
from recsys.errors import ContractError

DATASET_FILE: Final = "dataset.json"

_Epoch = Annotated[str, msgspec.Meta(pattern=f"^{EPOCH_PATTERN}$")]
_Count = Annotated[int, msgspec.Meta(ge=0)]
_FileName = Annotated[str, msgspec.Meta(pattern=r"^[a-z]+-[0-9a-f]{16}\.parquet$")]  # never a path out of the folder


class DatasetRelease(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A release that was appended. `parts` names, for each table, the file of what is left of its rows."""

    release: Sha256  # of its release.json
    fingerprint: Sha256  # of its files, as it named itself
    epoch: _Epoch  # of its tokens when it came
    field_policy: str
    guard_policy: str | None
    parts: dict[str, _FileName]
    rows: dict[str, _Count]  # that came, for each table
    suppressed: dict[str, _Count]  # that did not, since they are about erased persons


class DatasetState(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A fingerprint that the dataset had, and how many of its releases it held then; bundles name the fingerprint."""

    fingerprint: Sha256
    releases: _Count


class Tombstone(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, order=True):
    """An erased person's token as a salted hash. It lasts as long as tokens of its epoch may come."""

    epoch: _Epoch
    hash: Sha256


class Dataset(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`dataset.json`. Holds no token; `fingerprint` is that of `files`."""

    contract: Annotated[str, msgspec.Meta(pattern=r"^dataset/1$")] = "dataset/1"
    domain: Annotated[str, msgspec.Meta(pattern=f"^{DOMAIN_PATTERN}$")]
    epochs: Annotated[tuple[_Epoch, ...], msgspec.Meta(min_length=1)]  # whose releases are accepted
    fingerprint: Sha256
    files: dict[_FileName, Sha256]
    releases: tuple[DatasetRelease, ...]  # in the order in which they were appended
    merged: dict[str, _FileName]  # table to file, for those with one row a person
    states: tuple[DatasetState, ...]  # oldest first
    salt: Sha256
    tombstones: tuple[Tombstone, ...]
    erasures: tuple[ErasureReceipt, ...]
    rekeys: tuple[RekeyReceipt, ...]
    relinks: tuple[RelinkReceipt, ...] = ()

    def parts(self, table: str) -> tuple[str, ...]:
        """The files of a table, in the order of the releases, each once."""
        named = (release.parts[table] for release in self.releases if table in release.parts)
        return tuple(dict.fromkeys(named))


def dataset_in(folder: Path) -> Dataset | None:
    """What `dataset.json` says; None where the folder is not a dataset."""
    path = folder / DATASET_FILE
    return decode_document(path.read_bytes(), Dataset, where=str(path)) if path.is_file() else None


def named_files(folder: Path, names: tuple[str, ...]) -> list[Path]:
    """The paths of a dataset's files.

    Raises:
        ContractError: One is gone: a command changed the dataset in between, or somebody removed it.
    """
    paths = [folder / name for name in names]
    missing = next((path for path in paths if not path.is_file()), None)
    if missing is not None:
        raise ContractError("is named by dataset.json but not there", where=str(missing), mend="Run it again")
    return paths
