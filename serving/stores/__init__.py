"""Where serving remembers people: one interface, and the databases that implement it."""

from serving.stores.database import PATIENCE
from serving.stores.interface import (
    ApiKeys,
    AuditLog,
    Claim,
    ErasedError,
    Exports,
    Idempotency,
    Store,
    StoreError,
    UnclearError,
)
from serving.stores.opening import create_store, discard_unused, open_store
from serving.stores.patience import LEAST, of_one_request, waiting
from serving.stores.records import (
    Answer,
    ApiKey,
    Changes,
    Known,
    People,
    Recorded,
    Replay,
    Reported,
    Settled,
    Settling,
    Wanted,
)

__all__ = [
    "LEAST",
    "PATIENCE",
    "Answer",
    "ApiKey",
    "ApiKeys",
    "AuditLog",
    "Changes",
    "Claim",
    "ErasedError",
    "Exports",
    "Idempotency",
    "Known",
    "People",
    "Recorded",
    "Replay",
    "Reported",
    "Settled",
    "Settling",
    "Store",
    "StoreError",
    "UnclearError",
    "Wanted",
    "create_store",
    "discard_unused",
    "of_one_request",
    "open_store",
    "waiting",
]
