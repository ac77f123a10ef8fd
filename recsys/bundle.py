"""Loading a bundle: verified with a key that the *loader* trusts, byte for byte, before anything in it is used."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from recsys.contracts.document import decode_document
from recsys.contracts.manifest import (
    ITEM_MAP_FILE,
    MANIFEST_FILE,
    MODEL_FILE,
    SIGNATURE_FILE,
    STATISTICS_FILE,
    VOCABULARY_FILE,
    Manifest,
)
from recsys.contracts.statistics import ITEM_STATISTICS
from recsys.contracts.table import TableContract
from recsys.contracts.vocabulary import ITEM_MAP, VOCABULARY
from recsys.errors import BundleError, ContractError, IntegrityError
from recsys.history import ItemIndex
from recsys.registry import resolve_bundle
from recsys.signature import PublicKey, read_public_key, verify


@dataclass(frozen=True, slots=True)
class Bundle:
    """A verified bundle. Holds data about items only: no row in it is about a person.

    Args:
        path: The folder that it came from.
        manifest: What it is and what it was made from.
        model: The ONNX graph's bytes.
        vocabulary: The model items, in the graph's order.
        item_map: `item, model_item, part`; None where items are model items.
        statistics: Item statistics as of `manifest.data.until`.
        categories: int64 [model items], the category of each as a number; all zero where none is known.
    """

    path: Path
    manifest: Manifest
    model: bytes
    vocabulary: ItemIndex
    item_map: pl.DataFrame | None
    statistics: pl.DataFrame
    categories: NDArray[np.int64]

    @property
    def model_version(self) -> str:
        """What decisions call this bundle."""
        return f"{self.manifest.name}/{self.manifest.version}"


def load_bundle(path: Path, *, trust: Path) -> Bundle:
    """Load `models/<name>` (its current version) or `models/<name>/<version>`.

    Args:
        path: The bundle.
        trust: The public key that must have signed it. A key inside the bundle would prove nothing.

    Raises:
        IntegrityError: A byte, a file or the signature is not what the trusted key signed.
        BundleError: The bundle is missing, incomplete, or of a newer contract.
    """
    key = read_public_key(trust)
    folder = resolve_bundle(path)
    here = {str(file.relative_to(folder)) for file in folder.rglob("*") if file.is_file()}
    return open_bundle(folder, here, lambda name: _read(folder / name), key)


def open_bundle(folder: Path, names: Iterable[str], read: Callable[[str], bytes], key: PublicKey) -> Bundle:
    """Verify and read a bundle, wherever its files are.

    Args:
        folder: Where it is, or will be.
        names: Of all its files.
        read: The content of one of them; it is asked once for each.
        key: That must have signed it.

    Raises:
        IntegrityError: A byte, a file or the signature is not what the trusted key signed.
        BundleError: It is incomplete, or of a newer contract.
        ContractError: A table in it breaks its contract.
    """
    manifest_bytes = read(MANIFEST_FILE)
    verify(key, read(SIGNATURE_FILE), manifest_bytes, where=str(folder / MANIFEST_FILE))
    try:
        manifest = decode_document(manifest_bytes, Manifest, where=str(folder / MANIFEST_FILE))
    except ContractError as error:
        raise BundleError(
            f"is signed, but not a manifest that this program knows ({error.what})",
            where=error.where,
            mend="Upgrade this program, or use a bundle of its version",
        ) from None
    files = _verified_files(folder, names, read, manifest)
    vocabulary = _table(files, folder / VOCABULARY_FILE, VOCABULARY)
    return Bundle(
        path=folder,
        manifest=manifest,
        model=files[MODEL_FILE],
        vocabulary=ItemIndex.of(vocabulary["item"]),
        item_map=_table(files, folder / ITEM_MAP_FILE, ITEM_MAP) if ITEM_MAP_FILE in files else None,
        statistics=_table(files, folder / STATISTICS_FILE, ITEM_STATISTICS),
        categories=vocabulary["category"].to_numpy(),
    )


def _table(files: Mapping[str, bytes], path: Path, contract: TableContract) -> pl.DataFrame:
    return contract.checked(pl.read_parquet(io.BytesIO(files[path.name])), where=str(path))


def _verified_files(
    folder: Path, names: Iterable[str], read: Callable[[str], bytes], manifest: Manifest
) -> Mapping[str, bytes]:
    """Read each file once and check the very bytes that will be used."""
    for name in sorted(set(names) - {MANIFEST_FILE, SIGNATURE_FILE} - manifest.files.keys()):
        raise IntegrityError("is not in the manifest", where=str(folder / name), mend="Get the bundle again")
    for name in (MODEL_FILE, VOCABULARY_FILE, STATISTICS_FILE):
        if name not in manifest.files:
            raise BundleError(f"the manifest lists no {name}", where=str(folder), mend="Fit again")
    files = {name: read(name) for name in manifest.files}
    for name, content in files.items():
        if hashlib.sha256(content).hexdigest() != manifest.files[name]:
            raise IntegrityError(
                "was changed after it was signed", where=str(folder / name), mend="Do not use it; get the bundle again"
            )
    return files


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise BundleError(
            f"cannot be read ({error.strerror})",
            where=str(path),
            mend="Name the folder models/<name>, or models/<name>/<version>",
        ) from None
