"""Factors of a byte: what is rounded, what the graph holds, and that lists decide whether it ships."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path

import msgspec
import numpy as np
import onnx
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse
from support.commands import assert_clear_failure
from support.tastes import Shop, Train, lines
from support.tokens import token

from recsys.bundle import Bundle, load_bundle
from recsys.errors import UsageError
from recsys.model_histories import ModelHistories
from recsys.runtime import ort
from training.card import card
from training.factorize import Factorization
from training.features.assemble import Lens
from training.features.fold_in import FoldIn
from training.graph.assemble import assemble
from training.graph.fold_in import Coordinates
from training.profiles import EFFORTS, Profile
from training.rounding import SAME, overlap, rounded_fold
from training.settings import GraphSettings, ItemTable, Settings, read_settings, written

ITEMS, FACTORS = 90, 8
COUNTS = sparse.csr_matrix(np.random.default_rng(2).poisson(0.3, (200, ITEMS)).astype(np.float32))


@cache
def learned() -> FoldIn:
    """Factors; some items were not learned."""
    fold = FoldIn.of(Factorization(FACTORS, regularization=0.3, random_state=0).fit(COUNTS), COUNTS)
    factors = fold.item_factors.copy()
    factors[::30] = 0
    return replace(fold, item_factors=factors)


def test_each_factor_is_rounded_to_the_nearest_of_its_rows_255() -> None:
    fold = learned()
    small = rounded_fold(fold)
    assert small.whole is not None
    numbers, scales = small.whole.numbers, small.whole.scales.astype(np.float64)[:, None]
    assert (numbers.dtype, numbers.shape, numbers.min(), numbers.max()) == (np.int8, (ITEMS, FACTORS), -127, 127)
    exact = fold.item_factors @ small.whole.turn
    assert (np.abs(numbers * scales - exact) <= scales * 0.5001).all()
    learned_ = fold.item_factors.any(axis=1)
    assert (np.abs(numbers[learned_].astype(int)).max(axis=1) == 127).all()
    assert not numbers[~learned_].any()
    assert not small.item_factors[~learned_].any()


def test_the_factors_are_what_the_whole_numbers_stand_for() -> None:
    small = rounded_fold(learned())
    assert small.whole is not None
    meant = small.whole.numbers * small.whole.scales.astype(np.float64)[:, None]
    assert np.allclose(small.item_factors @ small.whole.turn, meant, rtol=0, atol=1e-6)
    assert not np.array_equal(small.item_factors, learned().item_factors)


@given(exponents=st.lists(st.integers(-45, 3), min_size=ITEMS, max_size=ITEMS))
def test_rows_of_any_size_are_rounded_by_themselves(exponents: list[int]) -> None:
    fold = learned()
    factors = (fold.item_factors * 10.0 ** np.array(exponents)[:, None]).astype(np.float32)
    fold = replace(fold, item_factors=factors)
    small = rounded_fold(fold)
    assert small.whole is not None
    exact = factors @ small.whole.turn
    allowed = np.maximum(0.5001 * small.whole.scales.astype(np.float64), 127e-45)[:, None]
    assert (np.abs(small.whole.numbers * small.whole.scales.astype(np.float64)[:, None] - exact) <= allowed).all()
    assert np.isfinite(small.item_factors).all()


def test_the_preconditioner_is_the_one_of_exact_factors() -> None:
    small, exact = rounded_fold(learned()), Coordinates.of(learned())
    assert small.whole is not None
    turn, kept = small.whole.turn, Coordinates.of(small)
    assert np.allclose(turn, turn.T)
    assert np.allclose(turn @ turn.T, exact.turn @ exact.turn.T)
    assert np.array_equal(kept.turn, turn)
    assert np.allclose(kept.gram, turn.T @ small.gram @ turn)
    assert np.allclose(np.linalg.eigvalsh(kept.gram), np.sort(np.diag(exact.gram)), rtol=0.01)


def test_where_nothing_was_learned_there_is_nothing_to_round() -> None:
    nothing = replace(learned(), item_factors=np.zeros((ITEMS, FACTORS), np.float32))
    small = rounded_fold(nothing)
    assert small.whole is not None
    assert not small.whole.scales.any()
    assert not small.item_factors.any()


@pytest.mark.parametrize("fold", [learned(), rounded_fold(learned())], ids=["float32", "int8"])
def test_onnxruntime_leaves_the_table_as_it_is(tmp_path: Path, fold: FoldIn) -> None:
    options = ort.SessionOptions()
    options.log_severity_level = 3
    options.optimized_model_filepath = str(tmp_path / "optimised.onnx")
    model = assemble(Lens(28.0, np.zeros(ITEMS, np.int64), fold), None, steps=8)
    ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    expected = onnx.TensorProto.FLOAT if fold.whole is None else onnx.TensorProto.INT8
    for graph in (onnx.load_from_string(model), onnx.load(tmp_path / "optimised.onnx")):
        large = [tensor.data_type for tensor in initialisers(graph.graph) if np.prod(tensor.dims) >= ITEMS * FACTORS]
        assert large == [expected]


def initialisers(graph: onnx.GraphProto) -> Iterator[onnx.TensorProto]:
    """Of the graph and of those within it."""
    yield from graph.initializer
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.type == onnx.AttributeProto.GRAPH:
                yield from initialisers(attribute.g)


def test_of_few_items_not_all_are_compared(bundle: Bundle) -> None:
    """A list of all items would be the same, whatever stood in it first."""
    few = len(bundle.vocabulary)
    assert few < 20
    fold = FoldIn.of(Factorization(4, regularization=0.3, random_state=0).fit(COUNTS[:, :few]), COUNTS[:, :few])
    turned = replace(fold, item_factors=-fold.item_factors[::-1])
    one, other = (
        replace(bundle, model=assemble(Lens(28.0, bundle.categories, each), None, steps=8)) for each in (fold, turned)
    )
    numbers = np.ones((few, 1), np.float32)
    histories = ModelHistories(np.arange(few)[:, None], np.zeros((few, 1), np.int64), numbers, numbers, numbers)
    assert overlap(one, one, histories) == 1
    assert overlap(one, other, histories) < 0.9


def test_a_configuration_file_says_which_table(tmp_path: Path) -> None:
    path, small = tmp_path / "config.toml", Settings(graph=GraphSettings(item_table=ItemTable.INT8))
    for settings in (small, Settings()):
        path.write_text(written(settings), encoding="utf-8")
        assert read_settings(path) == settings
    path.write_text('[graph]\nitem_table = "int4"\n', encoding="utf-8")
    with pytest.raises(UsageError, match="int4"):
        read_settings(path)


def loaded(shop: Shop, train: Train, options: list[str]) -> tuple[Bundle, str]:
    """The bundle of a fit, and what was said."""
    done = train("fit", *options, "--json")
    assert done.returncode == 0, done.stderr
    return load_bundle(done.bundle, trust=shop.trust), done.stderr


def test_where_lists_stay_the_same_the_small_table_ships(shop: Shop, tmp_path: Path, train: Train) -> None:
    config = tmp_path / "config.toml"
    asked = msgspec.structs.replace(EFFORTS[Profile.TEST].settings, graph=GraphSettings(item_table=ItemTable.INT8))
    config.write_text(written(asked), encoding="utf-8")
    (small, said), (exact, nothing) = (
        loaded(shop, train, shop.options(tmp_path / name, item_table=table, config=config))
        for name, table in (("a", None), ("b", "float32"))
    )
    assert small.manifest.parity["int8_overlap"] >= SAME
    assert (small.manifest.configuration["item_table"], small.manifest.parity["same_top"]) == ("int8", 1)
    assert "not rounded" not in said
    assert f"int8; rounded, {small.manifest.parity['int8_overlap']:.2%} of the lists stay" in said
    assert "int8 overlap" in card(small.manifest)
    assert "Item table" not in nothing
    assert "item_table" not in exact.manifest.configuration
    assert "int8_overlap" not in exact.manifest.parity
    tables = [onnx.TensorProto.INT8 in {t.data_type for t in initialisers(graph_of(each))} for each in (small, exact)]
    assert tables == [True, False]


def test_asked_for_on_the_command_line_it_is_the_same(shop: Shop, tmp_path: Path, train: Train) -> None:
    small, _ = loaded(shop, train, shop.options(tmp_path / "a", item_table="int8"))
    exact, _ = loaded(shop, train, shop.options(tmp_path / "b"))
    assert small.manifest.configuration["item_table"] == "int8"
    assert len(small.model) < len(exact.model)
    assert small.statistics.equals(exact.statistics)
    refused = train("fit", *shop.options(tmp_path / "c", item_table="int4"))
    assert_clear_failure(refused, "--item-table", "one of float32, int8", status=2)


def test_where_lists_would_change_the_exact_table_ships_and_it_is_said(
    shop: Shop, tmp_path: Path, train: Train
) -> None:
    """All that tells items apart is tiny beside what they share, and is rounded away."""
    config, alike = tmp_path / "config.toml", tmp_path / "alike.parquet"
    config.write_text("[factorization]\nfactors = 16\niterations = 6\nregularization = 2.0\n", encoding="utf-8")
    hardly_any_taste().write_parquet(alike)
    options = {"purchases": alike, "config": config}
    (kept, said), (exact, _) = (
        loaded(shop, train, shop.options(tmp_path / name, item_table=table, **options))
        for name, table in (("a", "int8"), ("b", None))
    )
    same = kept.manifest.parity["int8_overlap"]
    assert 0 < same < 0.97
    assert kept.manifest.configuration["item_table"] == "float32"
    assert kept.model == exact.model
    assert f"the best 20 would be the same ones to {same:.1%}" in said
    assert f"float32; rounded, {same:.2%} of the lists stay" in said


def hardly_any_taste() -> pl.DataFrame:
    """Every item is bought by thirty people, once, and a little more by those of one taste in three."""
    rows = []
    for person in range(120):
        for taste in range(3):
            often = 14 if taste == person % 3 else 8
            items = [(person // 3 * often + step) % 40 for step in range(often)]
            rows += [(token(person), f"item-{item:02}-{taste}", person % 60, 1.0) for item in items]
    return lines(rows)


def graph_of(bundle: Bundle) -> onnx.GraphProto:
    return onnx.load_from_string(bundle.model).graph
