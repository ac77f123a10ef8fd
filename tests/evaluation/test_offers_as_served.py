"""`offers --catalogue --guards`: items are placed, and purchases left out, as where the bundle serves."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path

import polars as pl
import pytest
from support.commands import in_process
from support.market import AS_OF, Market
from support.tokens import token

from recsys.cli import app
from recsys.contracts.catalogue import CATALOGUE
from recsys.contracts.evaluation_sets import REDEMPTIONS
from recsys.contracts.offers import OFFERS
from recsys.contracts.purchases import PURCHASES
from recsys.errors import UsageError
from recsys.files import sha256_of

pytestmark = pytest.mark.slow  # a fitted bundle

START = dt.datetime.combine(AS_OF, dt.time(), dt.UTC)
COVERED = [["0-a", "1-a"], ["2-a"], ["3-a", "3-b", "4-a"], ["5-b"], ["6-a", "7-a"]]
POLICY = """
version = 1

[groups.quiet]
categories = ["TYPE 3"]
learn = {learn}
"""


def judged(market: Market, out: Path, *, covered: list[list[str]] = COVERED, **options: object) -> dict[str, object]:
    """What the command writes of one campaign, of which twelve people redeemed something."""
    out.mkdir()
    names = [f"o{number}" for number in range(len(covered))]
    offers = pl.DataFrame({"offer_id": names, "campaign": "spring", "items": covered, "title": "An offer"})
    OFFERS.write(offers.with_columns(valid_from=START), out / "offers.parquet")
    redeemed = [(token(number), names[number % len(names)], AS_OF) for number in (*range(11), 999)]
    schema = {"subject": pl.String, "offer_id": pl.String, "day": pl.Date}
    REDEMPTIONS.write(pl.DataFrame(redeemed, schema=schema, orient="row"), out / "redemptions.parquet")
    files = {"bundle": market.bundle, "trust": market.trust, "purchases": market.purchases, "out": out}
    files |= {name: out / f"{name}.parquet" for name in ("offers", "redemptions")}
    in_process(app, "offers", *(word for name, value in (files | options).items() for word in (f"--{name}", value)))
    return dict(json.loads((out / "offers.json").read_bytes()))


def figures(result: dict[str, object], *rules: str) -> list[float]:
    """NDCG of some rules; of all where none is named."""
    return [figure["ndcg"]["mean"] for figure in result["figures"] if not rules or figure["rule"] in rules]


def catalogue(market: Market, path: Path, **newer: str) -> Path:
    """What is sold, with newer items of some types."""
    sold = market.types | newer
    CATALOGUE.write(pl.DataFrame({"item": list(sold), "category": list(sold.values()), "title": list(sold)}), path)
    return path


def with_purchases(market: Market, path: Path, item: str, numbers: range) -> Path:
    """The purchases, and what some people more bought on the day before."""
    more = pl.DataFrame({"subject": [token(number) for number in numbers], "item": item})
    day = pl.lit(AS_OF - dt.timedelta(days=1))
    PURCHASES.write(pl.concat([market.lines, more.with_columns(day=day, quantity=pl.lit(1.0))]), path)
    return path


def test_what_must_not_be_learned_from_is_as_if_never_bought(market: Market, tmp_path: Path) -> None:
    sold, policy, allowed = (tmp_path / name for name in ("catalogue.parquet", "policy.toml", "allowed.toml"))
    catalogue(market, sold)
    policy.write_text(POLICY.format(learn="false"), encoding="utf-8")
    allowed.write_text(POLICY.format(learn="true"), encoding="utf-8")
    kept = judged(market, tmp_path / "kept", catalogue=sold, guards=policy)
    assert kept["guard_policy"] == sha256_of(policy)
    by_hand, covered = tmp_path / "purchases.parquet", [[i for i in items if i[0] != "3"] for items in COVERED]
    PURCHASES.write(market.lines.filter(~pl.col("item").is_in(["3-a", "3-b"])), by_hand)
    assert figures(kept) == figures(judged(market, tmp_path / "hand", covered=covered, purchases=by_hand))
    everything = judged(market, tmp_path / "all")
    assert everything["guard_policy"] is None
    assert figures(judged(market, tmp_path / "allowed", catalogue=sold, guards=allowed)) == figures(everything)
    for rule in ("pooled", "coverage", "model"):
        assert figures(kept, rule) != figures(everything, rule)


def test_an_offer_of_newer_items_ranks_as_their_type(market: Market, tmp_path: Path) -> None:
    """Who bought them counts for no statistic: `recsys-train statistics` counts by the bundle's own map, too."""
    sold = catalogue(market, tmp_path / "catalogue.parquet", **{"5-newer": market.types["5-b"]})
    covered = [*COVERED[:3], ["5-newer"], COVERED[4]]
    bought = with_purchases(market, tmp_path / "purchases.parquet", "5-newer", range(1000, 1060))
    placed = judged(market, tmp_path / "placed", covered=covered, purchases=bought, catalogue=sold)
    unplaced = judged(market, tmp_path / "unplaced", covered=covered, purchases=bought)
    known = judged(market, tmp_path / "known")
    assert figures(placed, "model", "popularity") == figures(known, "model", "popularity")
    assert figures(unplaced, "model") != figures(known, "model")
    assert figures(unplaced, "popularity") != figures(known, "popularity")


def test_a_history_of_newer_items_is_one(market: Market, tmp_path: Path) -> None:
    sold = catalogue(market, tmp_path / "catalogue.parquet", **{"0-newer": market.types["0-a"]})
    bought = with_purchases(market, tmp_path / "purchases.parquet", "0-newer", range(999, 1000))
    placed = judged(market, tmp_path / "placed", purchases=bought, catalogue=sold)
    unplaced = judged(market, tmp_path / "unplaced", purchases=bought)
    assert placed["units"] == unplaced["units"] + 1
    assert placed["without_history"] == unplaced["without_history"] - 1


def test_a_policy_needs_a_catalogue_and_is_read_with_its_warnings(
    market: Market, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    policy = tmp_path / "policy.toml"
    policy.write_text(POLICY.format(learn="false").replace("TYPE 3", "TYPE 99"), encoding="utf-8")
    with pytest.raises(UsageError, match="--guards: needs --catalogue"):
        judged(market, tmp_path / "alone", guards=policy)
    judged(market, tmp_path / "both", guards=policy, catalogue=catalogue(market, tmp_path / "catalogue.parquet"))
    assert "no category 'TYPE 99' in the catalogue" in capsys.readouterr().err
