"""What reads a release reads a large one, too: there, texts come as dictionaries, and each has its column's name."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from pseudonymize.domains import epoch_map, redomain
from pseudonymize.gate.release import TableWriter
from pseudonymize.inputs import open_raw
from pseudonymize.rotation import rotate
from pseudonymize.tokens import written
from pseudonymize.vault import Vault, create_vault, open_vault
from recsys.contracts.purchases import PURCHASES
from recsys.contracts.token import Lineage

ROWS = 20_000  # in one row group; of fewer, texts are read cell by cell
PEOPLE, BASKETS = 50, 400


@pytest.fixture
def vault(tmp_path: Path) -> Vault:
    """One of its own, since its epochs move on."""
    now = dt.datetime(2024, 1, 1, tzinfo=dt.UTC)
    create_vault(tmp_path / "vault", kek_file=None, environ={}, now=now)
    return open_vault(tmp_path / "vault", kek_file=None, environ={}, now=now)


@pytest.fixture
def purchases(tmp_path: Path) -> Path:
    number = np.arange(ROWS)
    tokens = written(number.repeat(2).reshape(-1, 2).astype(np.uint64), Lineage("rec", "01"))
    path = tmp_path / "purchases.parquet"
    with TableWriter(path) as writer:
        writer.write(
            pl.DataFrame(
                {
                    "subject": tokens.gather(number % PEOPLE),
                    "item": pl.Series(number % 30).cast(pl.String),
                    "day": pl.Series([dt.date(2024, 1, 1)] * ROWS),
                    "quantity": np.ones(ROWS),
                    "basket": tokens.gather(PEOPLE + number % BASKETS),
                }
            )
        )
    return path


def test_a_large_release_is_read_by_dictionaries_that_know_their_columns(purchases: Path) -> None:
    (batch,) = open_raw(purchases).batches()
    assert set(batch.coded) == {"subject", "item", "basket"}
    assert [batch.column(name).name for name in batch.names] == list(batch.names)


def test_a_large_release_gets_the_tokens_of_another_domain(vault: Vault, purchases: Path, tmp_path: Path) -> None:
    out = tmp_path / "partner.parquet"
    moved = redomain(vault, "rec", "partner", purchases, out)
    assert (moved.rows, moved.suppressed) == (ROWS, 0)
    own, theirs = PURCHASES.read(purchases), PURCHASES.read(out)
    assert theirs.columns == own.columns
    for name, many in (("subject", PEOPLE), ("basket", BASKETS)):
        assert theirs[name].str.starts_with("s1.partner.").all()
        pairs = pl.DataFrame({"own": own[name], "theirs": theirs[name]}).unique()
        assert pairs.height == pairs["own"].n_unique() == pairs["theirs"].n_unique() == many
    assert theirs.drop("subject", "basket").equals(own.drop("subject", "basket"))


def test_a_large_release_goes_to_the_next_epoch(vault: Vault, purchases: Path, tmp_path: Path) -> None:
    rotate(vault, "rec")
    assert epoch_map(vault, "rec", [purchases], tmp_path / "map.parquet") == PEOPLE + BASKETS
