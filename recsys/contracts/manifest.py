"""The bundle's manifest: what the bundle is, what it was made from, and the hash of each of its files."""

from __future__ import annotations

import datetime as dt
from enum import StrEnum
from typing import Annotated, Any, Final

import msgspec

from recsys.contracts.token import DOMAIN_PATTERN, EPOCH_PATTERN

MANIFEST_FILE: Final = "manifest.json"
SIGNATURE_FILE: Final = "manifest.sig"
MODEL_FILE: Final = "model.onnx"
VOCABULARY_FILE: Final = (
    "vocabulary.parquet"  # model item and the number of its category; its row is its index in the graph
)
ITEM_MAP_FILE: Final = "items.parquet"  # item, model item; only where the two differ
STATISTICS_FILE: Final = "statistics.parquet"
CARD_FILE: Final = "card.md"

Sha256 = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}$")]


class Level(StrEnum):
    """What a model item is: the item itself, or its category path where items are too sparse."""

    ITEM = "item"
    TYPE = "type"


class TrainingData(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Lineage: which purchases the bundle was learned from. `domain` and `epoch` say whose tokens they were."""

    fingerprint: Sha256
    release: Sha256 | None  # of `release.json`; of a dataset, the fingerprint of the state that was read
    domain: Annotated[str, msgspec.Meta(pattern=f"^{DOMAIN_PATTERN}$")]
    epoch: Annotated[str, msgspec.Meta(pattern=f"^{EPOCH_PATTERN}$")]
    first_day: dt.date
    until: dt.date  # nothing dated on or after it was used
    until_file: Sha256 | None = None  # of the file that gave each subject a day of its own, `until` being the last
    subjects: int
    purchases: int
    consent: str  # "training": only those who agreed; "assumed": no subjects file, on the caller's word
    guard_policy: Sha256 | None


class Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`manifest.json`; the signature in `manifest.sig` covers its bytes."""

    contract: Annotated[str, msgspec.Meta(pattern=r"^bundle/2$")] = "bundle/2"
    name: str
    version: str
    level: Level
    min_buyers: int  # items with fewer buyers did not enter
    data: TrainingData
    configuration: dict[str, str | int | float | bool]
    seed: int
    parity: dict[str, float]
    metrics: dict[str, float]
    privacy: dict[str, float]
    libraries: dict[str, str]
    trials: tuple[dict[str, Any], ...] = ()  # of the search for settings: what was tried, and what it reached
    files: dict[str, Sha256]
