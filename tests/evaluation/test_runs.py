"""Lists written by hand, judged: what is relevant, who is judged, and what is refused."""

from __future__ import annotations

import datetime as dt
import itertools
import json
import shutil
from pathlib import Path

import msgspec
import numpy as np
import polars as pl
import pytest
from support.tokens import token

from recsys.contracts.manifest import Level
from recsys.contracts.purchases import PURCHASES
from recsys.contracts.runs import LISTS, VOCABULARIES, RunModel, Runs, RunWindow, SplitKind
from recsys.errors import ContractError
from recsys.evaluation import judging
from recsys.evaluation.judging import Cell, judge_window
from recsys.evaluation.ranking import judge_runs
from recsys.evaluation.runs import RunSet, read_runs, write_runs
from recsys.evaluation.segments import rare_items, segments_of
from recsys.evaluation.source import Source, read_source
from recsys.files import sha256_of
from recsys.history import Histories

AS_OF = dt.date(2024, 3, 1)
ITEMS = ("bread", "cheese", "milk", "tea", "wine")
PEOPLE = [token(number) for number in range(12)]
WINDOWS = tuple(
    RunWindow(name=name, as_of=AS_OF + dt.timedelta(days=14 * number), horizon=14)
    for number, name in enumerate(("first", "second"))
)
Lists = dict[tuple[str, str, str, str], list[str]]  # model, window, task, subject


def bought() -> pl.DataFrame:
    """Everyone had bought bread; in the first window bread and tea, in the second wine; one came only then."""
    rows = [(who, "bread", -9 - number) for number, who in enumerate(PEOPLE[:-1])]
    rows += [(who, item, 2) for who in PEOPLE for item in ("bread", "tea")]
    rows += [(who, "wine", 15) for who in PEOPLE[:9]]
    lines = [(who, item, AS_OF + dt.timedelta(days=after), 1.0) for who, item, after in rows]
    schema = {"subject": pl.String, "item": pl.String, "day": pl.Date, "quantity": pl.Float64}
    return pl.DataFrame(lines, schema=schema, orient="row")


def frame(lists: Lists) -> pl.DataFrame:
    rows = [(*key, rank, item, 1.0 / rank) for key, items in lists.items() for rank, item in enumerate(items, start=1)]
    return LISTS.checked(pl.DataFrame(rows, schema=[c.name for c in LISTS.columns], orient="row"), where="lists")


def perfect() -> Lists:
    """The candidate knows; the baseline always says cheese and milk."""
    lists: Lists = {}
    for window, wanted in (("first", "tea"), ("second", "wine")):
        for who in PEOPLE:
            lists["own", window, "mixed", who] = [wanted, "bread"]
            lists["own", window, "repeat", who] = ["bread"]
            lists["own", window, "novel", who] = [wanted]
            for task in ("mixed", "novel"):
                lists["base", window, task, who] = ["cheese", "milk"]
    return lists


def run_set(source: Source, lists: Lists) -> RunSet:
    models = tuple(
        RunModel(name=name, role=role, title=name, about="By hand.", learned=False, trials=0)
        for name, role in (("base", "baseline"), ("own", "candidate"))
    )
    manifest = Runs(
        split=SplitKind.TIME,
        k=3,
        level=Level.ITEM,
        purchases=source.fingerprint,
        domain=source.lineage.domain,
        epoch=source.lineage.epoch,
        seed=0,
        candidate="by hand",
        windows=WINDOWS,
        models=models,
        files={},
    )
    pairs = [(window.name, item) for window in WINDOWS for item in ITEMS]
    return RunSet(manifest, frame(lists), pl.DataFrame(pairs, schema=["window", "item"], orient="row"), None)


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Source:
    path: Path = tmp_path_factory.mktemp("runs") / "purchases.parquet"
    PURCHASES.write(bought(), path)
    return read_source(path, today=dt.date(2024, 6, 1))


@pytest.fixture
def written(source: Source, tmp_path: Path) -> Path:
    write_runs(tmp_path / "runs", run_set(source, perfect()))
    return tmp_path / "runs"


def cell(cells: tuple[Cell, ...], task: str, segment: str) -> Cell:
    (found,) = (cell for cell in cells if (cell.task, cell.segment) == (task, segment))
    return found


def test_each_task_has_its_own_relevant_items(source: Source) -> None:
    judged = judge_window(run_set(source, perfect()), source.purchases, WINDOWS[0])
    assert judged.split.new.sum() == 1
    for task, expected in (("mixed", 1.0), ("repeat", 1.0), ("novel", 1.0)):
        values = cell(judged.cells, task, "all")
        assert values.subjects.tolist() == sorted(PEOPLE[:-1])
        assert values.values[:, 1, 0].tolist() == [expected] * 11  # NDCG of the candidate
        assert values.values[:, 0, 0].tolist() == [0.0] * 11
    assert judged.coverage == {"mixed": (0.4, 0.4), "repeat": (0.0, 0.2), "novel": (0.4, 0.2)}


def test_a_missing_list_is_an_empty_one_and_who_has_none_at_all_was_not_asked(source: Source) -> None:
    lists = {key: items for key, items in perfect().items() if (key[0], key[3]) != ("own", PEOPLE[0])}
    judged = judge_window(run_set(source, lists), source.purchases, WINDOWS[0])
    mixed = cell(judged.cells, "mixed", "all")
    assert mixed.values[mixed.subjects == PEOPLE[0], 1, 0].tolist() == [0.0]
    lists = {key: items for key, items in lists.items() if key[3] != PEOPLE[0]}
    judged = judge_window(run_set(source, lists), source.purchases, WINDOWS[0])
    assert PEOPLE[0] not in cell(judged.cells, "mixed", "all").subjects
    assert judged.asked.sum() == 11


def test_what_is_said_beyond_the_judged_gains_nothing(source: Source) -> None:
    lists = perfect() | {("own", "second", "novel", token("nobody")): ["wine"]}
    for window in WINDOWS:
        with_it = judge_window(run_set(source, lists), source.purchases, window)
        without = judge_window(run_set(source, perfect()), source.purchases, window)
        for one, other in zip(with_it.cells, without.cells, strict=True):
            assert (one.values == other.values).all()


def test_a_segment_of_fewer_than_five_is_not_told(source: Source) -> None:
    judged = judge_window(run_set(source, perfect()), source.purchases, WINDOWS[0])
    told = {(one.task, one.segment) for one in judged.cells}
    assert ("mixed", "new") not in told
    assert all(len(one.subjects) >= judging.LEAST_SUBJECTS for one in judged.cells)


def test_windows_weigh_the_same_and_stand_beside_their_mean(source: Source) -> None:
    lists = {key: (["cheese"] if key[:2] == ("own", "second") else items) for key, items in perfect().items()}
    result = judge_runs(run_set(source, lists), source, seed=0)
    own = {
        f.window: (f.estimate.mean, f.subjects)
        for f in result.figures
        if (f.model, f.task, f.segment, f.metric) == ("own", "novel", "all", "ndcg")
    }
    assert own == {"first": (1.0, 11), "second": (0.0, 9), None: (0.5, 11)}
    (difference,) = (
        d for d in result.differences if (d.window, d.task, d.segment, d.metric) == (None, "novel", "all", "ndcg")
    )
    assert (difference.baseline, difference.relative) == ("base", None)
    assert difference.estimate.mean == 0.5


def test_written_and_read_again_it_is_the_same(source: Source, written: Path) -> None:
    again = read_runs(written)
    made = run_set(source, perfect())
    assert again.lists.equals(made.lists)
    assert again.vocabularies.equals(made.vocabularies)
    assert msgspec.structs.replace(again.manifest, files={}) == made.manifest
    assert again.item_map is None
    assert judge_runs(again, source, seed=0) == judge_runs(made, source, seed=0)


def test_other_purchases_are_refused(source: Source) -> None:
    other = Source(source.purchases, source.lineage, "0" * 64)
    with pytest.raises(ContractError, match="not the purchases that the lists were made from"):
        judge_runs(run_set(source, perfect()), other, seed=0)


TAMPERED = {
    "a rank twice": (lambda lists: pl.concat([lists, lists.head(1).with_columns(item=pl.lit("cheese"))]), "rank twice"),
    "an item twice": (
        lambda lists: pl.concat([lists, lists.head(1).with_columns(rank=pl.lit(3, pl.Int64))]),
        "item twice",
    ),
    "a list too long": (lambda lists: lists.with_columns(rank=pl.col("rank") + 3), "longer than 3"),
    "an unknown item": (lambda lists: lists.with_columns(item=pl.lit("caviar")), "vocabulary lacks"),
    "an unknown model": (lambda lists: lists.with_columns(model=pl.lit("other")), "column 'model' names one"),
    "an unknown window": (lambda lists: lists.with_columns(window=pl.lit("third")), "column 'window' names one"),
    "an unknown task": (lambda lists: lists.with_columns(task=pl.lit("any")), "column 'task' breaks the contract"),
    "a score that is none": (lambda lists: lists.with_columns(score=pl.lit(float("nan"))), "column 'score'"),
}


@pytest.mark.parametrize("name", TAMPERED)
def test_lists_that_make_no_sense_are_refused(written: Path, name: str) -> None:
    change, message = TAMPERED[name]
    path = written / "lists.parquet"
    change(pl.read_parquet(path)).write_parquet(path)
    with pytest.raises(ContractError, match="was changed after it was written"):
        read_runs(written)
    manifest = json.loads((written / "runs.json").read_text())
    manifest["files"]["lists.parquet"] = sha256_of(path)
    (written / "runs.json").write_text(json.dumps(manifest))
    with pytest.raises(ContractError, match=message):
        read_runs(written)


def test_a_manifest_cannot_lead_out_of_its_folder_nor_leave_files_out(written: Path) -> None:
    manifest = json.loads((written / "runs.json").read_text())
    shutil.copy(written / "lists.parquet", written.parent / "lists.parquet")
    for files, message in (
        (manifest["files"] | {"../lists.parquet": manifest["files"]["lists.parquet"]}, "not in its folder"),
        ({"lists.parquet": manifest["files"]["lists.parquet"]}, "lists no vocabulary.parquet"),
    ):
        (written / "runs.json").write_text(json.dumps({**manifest, "files": files}))
        with pytest.raises(ContractError, match=message):
            read_runs(written)
    (written / "runs.json").write_text(json.dumps({**manifest, "models": manifest["models"][:1]}))
    with pytest.raises(ContractError, match="names no candidate"):
        read_runs(written)


def test_segments_by_plain_loops() -> None:
    rng = np.random.default_rng(0)
    sizes = np.array([0, 1, 1, 2, 3, 5, 8, 9, 30, 0])
    offsets = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    day = np.concatenate([rng.permutation(90)[:size] for size in sizes]).astype(np.int32)
    item = rng.integers(0, 6, len(day)).astype(np.int32)
    made = Histories(
        tuple(map(str, range(10))), offsets, item, day, np.ones(len(day), np.float32), np.ones(len(day), np.int32)
    )
    segments = segments_of(made)
    assert np.flatnonzero(segments["new"]).tolist() == [0, 9]
    thirds = [np.flatnonzero(segments[name]).tolist() for name in ("short", "middle", "long")]
    assert sorted(itertools.chain(*thirds)) == np.flatnonzero(segments["all"]).tolist() == list(range(1, 9))
    assert all(sizes[low].max() < sizes[high].min() for low, high in itertools.pairwise(thirds))
    counts = np.bincount(item, minlength=6)
    rare = rare_items(made, items=6)
    assert counts[~rare].min() >= counts[rare].max()
    assert counts[~rare].sum() >= 0.8 * counts.sum() > counts[~rare].sum() - counts[~rare].min()


def test_the_vocabularies_of_windows_are_told_apart(source: Source) -> None:
    runs = run_set(source, perfect())
    fewer = VOCABULARIES.checked(
        runs.vocabularies.filter((pl.col("window") == "first") | (pl.col("item") != "wine")), where="vocabulary"
    )
    lists = {key: [item for item in items if item != "wine"] for key, items in perfect().items()}
    judged = judge_window(RunSet(runs.manifest, frame(lists), fewer, None), source.purchases, WINDOWS[1])
    assert judged.split.unknown_items == 1
    assert len(judged.split.judged) == 0
    assert judged.cells == ()
