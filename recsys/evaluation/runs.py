"""Reading and writing runs (contract: runs.py), and turning a model's lists into rows of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec
import numpy as np
import polars as pl

from recsys.contracts.document import decode_document, encode_document
from recsys.contracts.manifest import Sha256
from recsys.contracts.runs import (
    LISTS,
    LISTS_FILE,
    MAP_FILE,
    RUNS_FILE,
    VOCABULARIES,
    VOCABULARIES_FILE,
    Runs,
    RunWindow,
    Task,
)
from recsys.contracts.vocabulary import ITEM_MAP
from recsys.errors import ContractError
from recsys.evaluation.comparison import Listed
from recsys.evaluation.splits import Split, Window
from recsys.files import new_folder, sha256_of
from recsys.history import ItemIndex

_MEND: Final = "Write the runs again, or get them whole"


@dataclass(frozen=True, slots=True)
class RunSet:
    """Runs in memory.

    Args:
        manifest: Without the hashes of files that are not written yet.
        lists: In the lists contract.
        vocabularies: The model items that could be listed in each window, by window and item.
        item_map: `item, model_item`; None where items are model items.
    """

    manifest: Runs
    lists: pl.DataFrame
    vocabularies: pl.DataFrame
    item_map: pl.DataFrame | None

    def vocabulary(self, window: RunWindow) -> ItemIndex:
        """What could be listed in a window."""
        return ItemIndex.of(self.vocabularies.filter(pl.col("window") == window.name)["item"].sort())


def window_of(window: RunWindow) -> Window:
    """The days of a window."""
    return Window(window.as_of, window.horizon)


def rows_of_lists(
    model: str, window: RunWindow, split: Split, vocabulary: ItemIndex, lists: Mapping[Task, Listed]
) -> pl.DataFrame:
    """A model's lists for a window, in the lists contract."""
    subjects = pl.Series(split.judged.subjects, dtype=pl.String)
    names = pl.Series(vocabulary.names, dtype=pl.String)
    parts = [LISTS.checked(_no_rows(), where=LISTS_FILE)]
    for task, of_task in lists.items():
        row, place = np.nonzero(of_task.items >= 0)
        frame = pl.DataFrame(
            {
                "subject": subjects.gather(row),
                "rank": pl.Series(place + 1, dtype=pl.Int64),
                "item": names.gather(of_task.items[row, place]),
                "score": of_task.scores[row, place],
            }
        )
        given = {"model": model, "window": window.name, "task": task}
        parts.append(frame.select(*(pl.lit(value).alias(name) for name, value in given.items()), pl.all()))
    return pl.concat(parts)


def write_runs(folder: Path, runs: RunSet) -> Runs:
    """Write the runs, whole or not at all, and return the manifest with the hashes.

    Raises:
        OutputError: The folder is not empty, or cannot be written.
    """
    with new_folder(folder) as beside:
        LISTS.write(runs.lists, beside / LISTS_FILE)
        VOCABULARIES.write(runs.vocabularies, beside / VOCABULARIES_FILE)
        if runs.item_map is not None:
            ITEM_MAP.write(runs.item_map, beside / MAP_FILE)
        hashes = {file.name: sha256_of(file) for file in sorted(beside.iterdir())}
        manifest = msgspec.structs.replace(runs.manifest, files=hashes)
        (beside / RUNS_FILE).write_bytes(encode_document(manifest))
    return manifest


def read_runs(folder: Path) -> RunSet:
    """Read runs and check that they are whole and make sense.

    Raises:
        ContractError: A file is missing, changed, of a newer version, or names what the manifest does not.
    """
    where = str(folder / RUNS_FILE)
    if not (folder / RUNS_FILE).is_file():
        raise ContractError("no such file", where=where, mend="Name the folder that `recsys-train backtest` wrote")
    manifest = decode_document((folder / RUNS_FILE).read_bytes(), Runs, where=where)
    if [model.role for model in manifest.models].count("candidate") != 1:
        raise ContractError("names no candidate, or several", where=where, mend=_MEND)
    for name, expected in manifest.files.items():
        _check_file(folder, name, expected)
    for needed in (LISTS_FILE, VOCABULARIES_FILE):
        if needed not in manifest.files:
            raise ContractError(f"lists no {needed}", where=where, mend=_MEND)
    runs = RunSet(
        manifest,
        LISTS.read(folder / LISTS_FILE),
        VOCABULARIES.read(folder / VOCABULARIES_FILE),
        ITEM_MAP.read(folder / MAP_FILE) if MAP_FILE in manifest.files else None,
    )
    _check_lists(runs, where=str(folder / LISTS_FILE))
    return runs


def _check_file(folder: Path, name: str, expected: Sha256) -> None:
    path = folder / name
    if Path(name).name != name or not path.is_file():
        raise ContractError("names a file that is not in its folder", where=str(folder / RUNS_FILE), mend=_MEND)
    if sha256_of(path) != expected:
        raise ContractError("was changed after it was written", where=str(path), mend=_MEND)


def _check_lists(runs: RunSet, *, where: str) -> None:
    """Refuse lists that could gain by saying a thing twice, or that name what they could not know."""
    lists = runs.lists
    known = {"model": [m.name for m in runs.manifest.models], "window": [w.name for w in runs.manifest.windows]}
    for column, names in known.items():
        if not set(lists[column].unique()) <= set(names):
            raise ContractError(f"column {column!r} names one that is not in {RUNS_FILE}", where=where, mend=_MEND)
    if (lists["rank"] > runs.manifest.k).any():
        raise ContractError(f"a list is longer than {runs.manifest.k}", where=where, mend=_MEND)
    if not lists.join(runs.vocabularies, on=["window", "item"], how="anti").is_empty():
        raise ContractError("a list names an item that its window's vocabulary lacks", where=where, mend=_MEND)
    keys = lists.select(pl.struct("model", "window", "task", "subject").hash().alias("list"), "rank", "item")
    for column in ("rank", "item"):
        if keys.select(pl.struct("list", column).n_unique()).item() != len(keys):
            raise ContractError(f"a list has the same {column} twice", where=where, mend=_MEND)


def _no_rows() -> pl.DataFrame:
    return pl.DataFrame(schema={column.name: column.dtype for column in LISTS.columns})
