from __future__ import annotations

import datetime as dt
import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from support.commands import in_process
from support.market import AS_OF, Market
from support.tokens import token

from recsys.bundle import load_bundle
from recsys.cli import app
from recsys.contracts.evaluation_sets import REDEMPTIONS
from recsys.contracts.offers import OFFERS
from recsys.contracts.purchases import PURCHASES
from recsys.errors import RecsysError, TokenError
from recsys.history import ItemIndex, day_number, histories
from recsys.scorer import Scorer

pytestmark = pytest.mark.slow  # a fitted bundle

START = dt.datetime.combine(AS_OF, dt.time(), dt.UTC)
COVERED = [["0-a", "1-a"], ["2-a"], ["3-a", "3-b", "4-a"], ["5-b"], ["6-a", "7-a"]]


def command(*arguments: object) -> None:
    """In this process: its errors are raised as they are."""
    in_process(app, "offers", *arguments)


def files(market: Market, folder: Path, **changed: object) -> list[object]:
    """One campaign with five offers; twelve people redeemed one each, one of them without a history."""
    offers = pl.DataFrame(
        {
            "offer_id": [f"o{number}" for number in range(len(COVERED))],
            "campaign": "spring",
            "items": COVERED,
            "title": "An offer",
            "valid_from": START,
        }
    )
    redeemed = [(token(number), f"o{number % len(COVERED)}", AS_OF) for number in range(11)] + [
        (token(999), "o1", AS_OF)
    ]
    schema = {"subject": pl.String, "offer_id": pl.String, "day": pl.Date}
    OFFERS.write(offers.with_columns(**changed), folder / "offers.parquet")
    REDEMPTIONS.write(pl.DataFrame(redeemed, schema=schema, orient="row"), folder / "redemptions.parquet")
    return [
        *("--bundle", market.bundle, "--trust", market.trust, "--purchases", market.purchases),
        *("--offers", folder / "offers.parquet", "--redemptions", folder / "redemptions.parquet", "--out", folder),
    ]


def expected(market: Market) -> list[float]:
    """The pooled rule by plain loops; the bundle's own statistics are as of the campaign's start."""
    scorer, values = Scorer(load_bundle(market.bundle, trust=market.trust)), []
    index = ItemIndex.of(market.lines["item"].unique().sort())
    codes = scorer.codes(index)
    for number in range(11):
        own = histories(market.lines, index, until=AS_OF, subjects=[token(number)])
        folded = scorer.fold(own, codes, as_of=day_number(AS_OF))
        if not folded.known[0]:
            continue
        chances = scorer.score(folded, np.arange(len(scorer.vocabulary)))[0]
        counts = np.zeros(len(index))
        np.add.at(counts, own.item, 2.0 ** ((own.day - day_number(AS_OF)) / 168))
        scores = []
        for items in COVERED:
            known, score = [index.codes[item] for item in items], 0.0
            for code in {int(codes[item]) for item in known} - {-1}:
                listed = [item for item in known if codes[item] == code]
                part = len(listed) / (codes == code).sum()
                score += chances[code] * (counts[listed].sum() + part) / (counts[codes == code].sum() + 1)
            assert all(codes[item] >= 0 for item in known)
            scores.append(score)
        place = sorted(scores, reverse=True).index(scores[number % len(COVERED)])
        values.append(1 / np.log2(place + 2))
    return values


def test_what_was_redeemed_is_judged_as_known_at_the_campaigns_start(
    market: Market, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command(*files(market, tmp_path), "--json")
    said = json.loads(capsys.readouterr().out)
    assert said == json.loads((tmp_path / "offers.json").read_bytes())
    values = expected(market)
    assert (said["units"], said["units"] + said["without_history"]) == (len(values), 12)
    figures = {figure["rule"]: figure["ndcg"]["mean"] for figure in said["figures"]}
    assert figures["pooled"] == pytest.approx(np.mean(values), abs=1e-6)
    assert set(figures) == {"pooled", "coverage", "model", "popularity", "random"}
    assert said["subjects"] == said["units"]  # one campaign
    for figure in said["figures"]:
        change = figure["pooled_minus_this"]["mean"]
        assert change == pytest.approx(figures["pooled"] - figure["ndcg"]["mean"])


def test_a_subject_is_drawn_with_all_campaigns(market: Market, tmp_path: Path) -> None:
    """The same campaign three times says three times the same: no interval may get narrower by it."""
    command(*files(market, tmp_path))
    once = json.loads((tmp_path / "offers.json").read_bytes())
    offers, redeemed = (pl.read_parquet(tmp_path / f"{name}.parquet") for name in ("offers", "redemptions"))
    thrice = [
        (
            offers.with_columns(pl.col("offer_id") + name, campaign=pl.lit(name)),
            redeemed.with_columns(pl.col("offer_id") + name),
        )
        for name in ("a", "b", "c")
    ]
    OFFERS.write(pl.concat([one for one, _ in thrice]), tmp_path / "offers.parquet")
    REDEMPTIONS.write(pl.concat([one for _, one in thrice]), tmp_path / "redemptions.parquet")
    (tmp_path / "unused").mkdir()
    given = files(market, tmp_path / "unused")
    places = {"offers.parquet": tmp_path / "offers.parquet", "redemptions.parquet": tmp_path / "redemptions.parquet"}
    command(*(places.get(getattr(word, "name", ""), word) for word in given))
    again = json.loads((tmp_path / "unused" / "offers.json").read_bytes())
    assert (again["units"], again["subjects"]) == (3 * once["units"], once["subjects"])
    for mine, its in zip(once["figures"], again["figures"], strict=True):
        if mine["rule"] != "random":
            assert mine["ndcg"] == pytest.approx(its["ndcg"])


def test_offers_without_a_campaign_or_a_start_cannot_be_judged(market: Market, tmp_path: Path) -> None:
    for column in ("campaign", "valid_from"):
        given = files(market, tmp_path, **{column: pl.lit(None)})
        with pytest.raises(RecsysError, match=f"without {column}"):
            command(*given)


def test_offers_that_nobody_redeemed_cannot_be_judged(market: Market, tmp_path: Path) -> None:
    given = files(market, tmp_path, offer_id=pl.lit("x") + pl.col("offer_id"))
    with pytest.raises(RecsysError, match="none of the offers was redeemed"):
        command(*given)


def test_a_campaign_that_the_bundle_has_seen_is_warned_of(
    market: Market, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command(*files(market, tmp_path, valid_from=START - dt.timedelta(days=30)))
    assert "it knows what was bought later" in capsys.readouterr().err


def test_tokens_of_another_domain_are_refused(market: Market, tmp_path: Path) -> None:
    given = files(market, tmp_path)
    elsewhere = pl.col("subject").str.replace("s1.rec.", "s1.shop.", literal=True)
    PURCHASES.write(market.lines.with_columns(elsewhere), tmp_path / "foreign.parquet")
    redeemed = pl.read_parquet(tmp_path / "redemptions.parquet").with_columns(elsewhere)
    REDEMPTIONS.write(redeemed, tmp_path / "redemptions.parquet")
    given[given.index("--purchases") + 1] = tmp_path / "foreign.parquet"
    with pytest.raises(TokenError, match="domain 'shop', and the bundle was learned from those of 'rec'"):
        command(*given)
    assert not (tmp_path / "offers.json").exists()
