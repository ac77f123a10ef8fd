from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy import sparse
from support.commands import assert_clear_failure
from support.tastes import Shop, Train

from recsys.bundle import Bundle, load_bundle
from recsys.history import ItemIndex
from training import fit
from training.factorize import Factorization
from training.graph.assemble import assemble
from training.graph.reference import FoldIn
from training.parity import agrees, parity

ITEMS = 30
COUNTS = sparse.csr_matrix(np.random.default_rng(2).poisson(0.5, (300, ITEMS)).astype(np.float32))
FOLD = FoldIn.of(Factorization(8, regularization=0.3, random_state=0).fit(COUNTS), COUNTS)


@pytest.fixture
def draft(bundle: Bundle) -> Bundle:
    return replace(bundle, vocabulary=ItemIndex.of(str(item) for item in range(ITEMS)))


def test_a_faithful_graph_agrees(draft: Bundle) -> None:
    figures = parity(replace(draft, model=assemble(FOLD, steps=8)), FOLD, COUNTS)
    assert agrees(figures)
    assert (figures["histories"], figures["same_top"]) == (256, 1)


@pytest.mark.parametrize(
    "wrong",
    [
        replace(FOLD, alpha=FOLD.alpha * 1.001),
        replace(FOLD, regularization=FOLD.regularization * 1.001),
        replace(FOLD, item_factors=np.roll(FOLD.item_factors, 1, axis=0)),
        replace(FOLD, item_factors=FOLD.item_factors * np.float32(np.nan)),
    ],
)
def test_another_model_in_the_graph_is_noticed(draft: Bundle, wrong: FoldIn) -> None:
    assert not agrees(parity(replace(draft, model=assemble(wrong, steps=16)), FOLD, COUNTS))


def test_an_impatient_solver_is_noticed(draft: Bundle) -> None:
    assert not agrees(parity(replace(draft, model=assemble(FOLD, steps=1)), FOLD, COUNTS))


def test_more_steps_are_taken_where_few_do_not_do(
    shop: Shop, tmp_path: Path, train: Train, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fit, "SOLVER_STEPS", (1, 9))
    done = train("fit", *shop.options(tmp_path), "--json")
    assert load_bundle(done.bundle, trust=shop.trust).manifest.configuration["solver_steps"] == 9


def test_a_graph_that_never_agrees_is_not_written(
    shop: Shop, tmp_path: Path, train: Train, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fit, "SOLVER_STEPS", (1,))
    done = train("fit", *shop.options(tmp_path / "models"))
    assert_clear_failure(done, "differs from the exact solution", "score_difference")
    assert not (tmp_path / "models").exists()
