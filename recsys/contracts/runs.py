"""Runs: what each of several models would have listed for each subject, so that anyone can judge it again.

A folder with `runs.json`, `lists.parquet` and `vocabulary.parquet`; `items.parquet` (item-map) where model items are
not the items themselves. Judging needs these and the purchases, and nothing that trains.
"""

from __future__ import annotations

import datetime as dt
from enum import StrEnum
from typing import Annotated, Final, Literal

import msgspec
import polars as pl

from recsys.contracts.manifest import Level, Sha256
from recsys.contracts.table import Column, TableContract, filled, finite, token_column
from recsys.contracts.token import DOMAIN_PATTERN, EPOCH_PATTERN

RUNS_FILE: Final = "runs.json"
LISTS_FILE: Final = "lists.parquet"
VOCABULARIES_FILE: Final = "vocabulary.parquet"
MAP_FILE: Final = "items.parquet"

Task = Literal["mixed", "repeat", "novel"]
TASKS: Final[tuple[Task, ...]] = ("mixed", "repeat", "novel")


class SplitKind(StrEnum):
    """What is held out: all that is bought in a window, or the last basket of each subject in it."""

    TIME = "time"
    LAST_BASKET = "last-basket"


LISTS: Final = TableContract(
    name="lists",
    version=1,
    columns=(
        Column("model", pl.String(), "Whose list", check=filled),
        Column("window", pl.String(), "The window's name", check=filled),
        Column("task", pl.String(), "mixed, repeat or novel", check=lambda value: value.is_in(TASKS)),
        token_column("subject", "For whom"),
        Column("rank", pl.Int64(), "From 1, the best", check=lambda value: value > 0),
        Column("item", pl.String(), "The model item", check=filled),
        Column("score", pl.Float64(), "What the model ranked by", check=finite),
    ),
)

VOCABULARIES: Final = TableContract(
    name="vocabularies",
    version=1,
    columns=(
        Column("window", pl.String(), "The window's name", check=filled),
        Column("item", pl.String(), "A model item that could be listed in it", check=filled),
    ),
    unique=("window", "item"),
)


class RunWindow(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Days that were held out: from `as_of`, so many. Nothing dated on or after `as_of` was learned from."""

    name: str
    as_of: dt.date
    horizon: Annotated[int, msgspec.Meta(ge=1)]


class RunModel(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One model. Exactly one is the candidate; the baselines are what it has to beat."""

    name: str
    role: Literal["candidate", "baseline"]
    title: str  # as a category manager would call it
    about: str  # one sentence: how it ranks
    learned: bool  # whether it took more than counting
    trials: int  # settings that were tried on data before each window; 0: nothing to choose
    settings: dict[str, str] = {}  # "window task" to what was chosen


class Runs(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`runs.json`. Holds nothing about one person; the lists do."""

    contract: Annotated[str, msgspec.Meta(pattern=r"^runs/1$")] = "runs/1"
    split: SplitKind
    k: Annotated[int, msgspec.Meta(ge=1)]  # the length of a list
    level: Level
    purchases: Sha256  # over the hashes of the files, in the order of their names
    domain: Annotated[str, msgspec.Meta(pattern=f"^{DOMAIN_PATTERN}$")]
    epoch: Annotated[str, msgspec.Meta(pattern=f"^{EPOCH_PATTERN}$")]
    seed: int
    candidate: str  # which bundle or recipe it was
    windows: tuple[RunWindow, ...]
    models: tuple[RunModel, ...]
    files: dict[str, Sha256]
