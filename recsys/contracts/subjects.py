"""Subjects: what a person agreed to, and the little that may be known about them. Never demographics."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Final

import polars as pl

from recsys.contracts.dataset import Dataset, named_files
from recsys.contracts.names import CHANNEL_PATTERN
from recsys.contracts.table import Column, TableContract, token_column


class Purpose(StrEnum):
    """The purposes that a person consents to one by one. Absent means no.

    A channel is a purpose of its own, `channel:<name>`; see `channel_purpose`.
    """

    PROFILING = "profiling"
    TRAINING = "training"


CHANNEL_PREFIX: Final = "channel:"
PURPOSE_PATTERN: Final = rf"^(profiling|training|{CHANNEL_PREFIX}{CHANNEL_PATTERN[1:-1]})$"


def channel_purpose(channel: str) -> str:
    """The purpose that covers sending offers through `channel`."""
    return f"{CHANNEL_PREFIX}{channel}"


SUBJECTS: Final = TableContract(
    name="subjects",
    version=1,
    columns=(
        token_column("subject", "Who"),
        Column(
            "consents",
            pl.List(pl.String()),
            "The purposes agreed to: profiling, training, channel:<name>; what is absent is refused",
            check=lambda value: value.list.eval(pl.element().str.contains(PURPOSE_PATTERN)).list.all(),
            mend="A consent is profiling, training or channel:<name>",
        ),
        Column(
            "adult",
            pl.Boolean(),
            "Verified to be of age; empty means not verified",
            required=False,
            nullable=True,
        ),
        Column("interests", pl.List(pl.String()), "Declared by the person", required=False, nullable=True),
        Column("store", pl.String(), "Segment: the usual store", required=False, nullable=True),
        Column("region", pl.String(), "Segment: the region", required=False, nullable=True),
    ),
    unique=("subject",),
)


def subjects_file(folder: Path, held: Dataset) -> Path | None:
    """Where a dataset says who agreed to what; None where it says so nowhere.

    Raises:
        ContractError: The file that it names is gone.
    """
    name = held.merged.get(SUBJECTS.name)
    return None if name is None else named_files(folder, (name,))[0]


def consenting(subjects: pl.DataFrame, purpose: str) -> pl.Series:
    """The tokens of those who agreed to `purpose`."""
    return subjects.filter(pl.col("consents").list.contains(purpose))["subject"]
