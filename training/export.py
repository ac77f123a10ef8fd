"""A bundle as files: hashed, named after its content, signed."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import msgspec
import polars as pl

from recsys.bundle import Bundle, open_bundle
from recsys.contracts.document import encode_document
from recsys.contracts.manifest import (
    CARD_FILE,
    ITEM_MAP_FILE,
    MANIFEST_FILE,
    MODEL_FILE,
    SIGNATURE_FILE,
    STATISTICS_FILE,
    VOCABULARY_FILE,
    Manifest,
)
from training.card import card
from training.signing import SigningKey

_VERSION_HASH: Final = 8  # hexadecimal digits: enough to tell fits of the same day apart


@dataclass(frozen=True, slots=True)
class SealedBundle:
    """A bundle ready to be written. The same fit and key give the same bytes: no file holds a clock's time.

    Args:
        manifest: With its version and the hash of each other file.
        files: Name to content, manifest and signature among them.
    """

    manifest: Manifest
    files: Mapping[str, bytes]


def seal(bundle: Bundle, key: SigningKey) -> SealedBundle:
    """Name and sign a bundle whose manifest has neither version nor hashes yet.

    The version is `<until>-<start of a hash over everything but the card>`; the card then tells the version. What was
    sealed is opened as whoever loads it will, so that nothing is written that nothing can load.

    Raises:
        ContractError: A table breaks its contract.
    """
    files = {
        MODEL_FILE: bundle.model,
        VOCABULARY_FILE: _parquet(pl.DataFrame({"item": bundle.vocabulary.names, "category": bundle.categories})),
        STATISTICS_FILE: _parquet(bundle.statistics),
    }
    if bundle.item_map is not None:
        files[ITEM_MAP_FILE] = _parquet(bundle.item_map)
    draft = msgspec.structs.replace(bundle.manifest, version="", files=_hashes(files))
    content = hashlib.sha256(encode_document(draft)).hexdigest()[:_VERSION_HASH]
    named = msgspec.structs.replace(draft, version=f"{draft.data.until:%Y%m%d}-{content}")
    files[CARD_FILE] = card(named).encode()
    manifest = msgspec.structs.replace(named, files=_hashes(files))
    signed = encode_document(manifest)
    files |= {MANIFEST_FILE: signed, SIGNATURE_FILE: key.sign(signed)}
    open_bundle(bundle.path, files, files.__getitem__, key.public)
    return SealedBundle(manifest, files)


def _parquet(frame: pl.DataFrame) -> bytes:
    buffer = io.BytesIO()
    frame.write_parquet(buffer, compression="uncompressed")  # a byte search of the bundle must see what is in it
    return buffer.getvalue()


def _hashes(files: Mapping[str, bytes]) -> dict[str, str]:
    return {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
