"""The audit log: what its records say, what a checkpoint is, and the table of decisions that evaluation reads.

Record i holds h_i = SHA-256(h_(i-1) || i || c_i), i as 8 bytes big-endian, with the commitment
c_i = HMAC-SHA-256(r_i, payload) and a random r_i of 256 bits; h_0 is 32 zero bytes. Payload and r_i may be deleted, by
an erasure, which is a record that names sequence numbers, or by age, up to a checkpoint. Payloads hold no token.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Final

import msgspec
import polars as pl

from recsys.contracts.decision import Decision, DecisionRequest
from recsys.contracts.state import Instant
from recsys.contracts.table import Column, TableContract, token_column

_Hash = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}$")]
_Sequence = Annotated[int, msgspec.Meta(ge=0)]


class AuditKind(StrEnum):
    """What is written down."""

    DECISION = "decision"
    CONSENT = "consent"
    PREFERENCES = "preferences"
    ERASURE = "erasure"
    REKEY = "rekey"
    RELINK = "relink"
    LOAD = "load"
    RELOAD = "reload"
    CLOCK = "clock"
    KEY = "key"
    PRUNE = "prune"


class DecisionRecord(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, omit_defaults=True):
    """A decision with all that is needed to answer for it. `details` is the server's: shadow scores, settings."""

    decision: Decision
    request: DecisionRequest
    reserved: tuple[str, ...] = ()
    details: dict[str, str | int | float | bool] = {}


class Checkpoint(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The head of the chain at a time. Kept outside the database, it proves that nothing before it was rewritten."""

    contract: Annotated[str, msgspec.Meta(pattern=r"^audit-checkpoint/1$")] = "audit-checkpoint/1"
    sequence: _Sequence
    hash: _Hash
    at: Instant


class AuditReport(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What a verification found. `faults` is empty where the chain holds.

    `records` stand in the chain, after the last pruned checkpoint; `erased` of them were forgotten, each named by an
    erasure. `checkpoint`: up to which record truncation would have been found.
    """

    records: int
    erased: int
    pruned: _Sequence
    head: _Sequence
    checkpoint: _Sequence
    faults: tuple[str, ...]


DECISIONS: Final = TableContract(
    name="decisions",
    version=1,
    columns=(
        Column("decision_id", pl.String(), "The decision's key"),
        token_column("subject", "For whom"),
        Column("at", pl.Datetime("us", "UTC"), "When"),
        Column("channel", pl.String(), "Where the list was to be shown"),
        Column("placement", pl.String(), "Where in it", required=False, nullable=True),
        Column("model_version", pl.String(), "The bundle that scored"),
        Column("policy_version", pl.String(), "The policy that guarded"),
        Column("arm", pl.String(), "empty, popular, personal or challenger"),
        Column(
            "arm_share", pl.Float64(), "With which probability the policy assigns it", required=False, nullable=True
        ),
        Column("trial", pl.String(), "The trial of another bundle that ran", required=False, nullable=True),
        Column("fill", pl.String(), "Where the list came from, or that it fell short"),
        Column("offers", pl.List(pl.String()), "The list, best first"),
        Column("scores", pl.List(pl.Float64()), "Of the offers, in their order"),
        Column("propensities", pl.List(pl.Float64()), "Of each place, given those above it"),
    ),
    unique=("decision_id",),
)
