"""`--subjects`: item statistics count those who agreed to training and nobody else; everyone is judged all the same."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import msgspec
import polars as pl
import pytest
from support.commands import in_process
from support.market import AS_OF, SUBJECTS, Market
from support.releases import people, released
from support.tokens import token

from recsys.bundle import load_bundle
from recsys.cli import app
from recsys.contracts.evaluation_sets import REDEMPTIONS
from recsys.contracts.offers import OFFERS
from recsys.contracts.subjects import SUBJECTS as CONTRACT
from recsys.errors import ContractError, TokenError, UsageError
from recsys.evaluation.bundle_runs import Asked, bundle_runs
from recsys.evaluation.fresh import counted_purchases
from recsys.evaluation.ranking import judge_runs
from recsys.evaluation.results import RankingResult
from recsys.evaluation.source import Source, read_source
from recsys.evaluation.topk import list_top
from recsys.history import purchase_days
from recsys.model_items import to_model_items
from recsys.scorer import Scorer
from recsys.statistics import item_statistics
from training.purchases.append import append

LATER = AS_OF.replace(year=AS_OF.year + 1)
AGREED = [number for number in range(SUBJECTS) if number % 3]


@pytest.fixture
def agreed(tmp_path: Path) -> Path:
    """Who agreed to training: two of three."""
    others = people([number for number in range(SUBJECTS) if number % 3 == 0], consents=("profiling",))
    CONTRACT.write(pl.concat([people(AGREED), others]), tmp_path / "subjects.parquet")
    return tmp_path / "subjects.parquet"


def counted(market: Market, scorer: Scorer, numbers: list[int]) -> Scorer:
    """A scorer with the statistics of some people, counted before the day."""
    own = market.lines.filter(pl.col("subject").is_in([token(number) for number in numbers]))
    daily = to_model_items(purchase_days(own, until=AS_OF), scorer.bundle.item_map)
    known = daily.filter(pl.col("item").is_in(scorer.vocabulary.names))
    return scorer.refreshed(item_statistics(known, as_of=AS_OF, min_buyers=scorer.bundle.manifest.min_buyers))


def test_topk_lists_everyone_by_the_statistics_of_some(market: Market, tmp_path: Path, agreed: Path) -> None:
    in_process(app, "topk", *market.judged(out=tmp_path / "some.parquet", subjects=agreed))
    in_process(app, "topk", *market.judged(out=tmp_path / "all.parquet"))
    some, everyone = (pl.read_parquet(tmp_path / f"{name}.parquet") for name in ("some", "all"))
    assert some["subject"].unique().sort().equals(everyone["subject"].unique().sort())
    scorer = Scorer(load_bundle(market.bundle, trust=market.trust))
    for lists, numbers in ((some, AGREED), (everyone, list(range(SUBJECTS)))):
        expected = list_top(counted(market, scorer, numbers), market.lines, AS_OF, k=10).rows
        assert lists.equals(expected)
    assert not some["score"].equals(everyone["score"])


def figures(result: RankingResult, *, model: str) -> list[float]:
    """NDCG of one model on what it was judged on."""
    return [one.estimate.mean for one in result.figures if (one.model, one.metric) == (model, "ndcg")]


def test_ranking_judges_the_bundle_by_the_statistics_of_some(market: Market, tmp_path: Path, agreed: Path) -> None:
    in_process(app, "ranking", *market.judged(out=tmp_path / "some", subjects=agreed))
    some = msgspec.json.decode((tmp_path / "some" / "ranking.json").read_bytes(), type=RankingResult)
    bundle, source = load_bundle(market.bundle, trust=market.trust), read_source(market.purchases, today=LATER)
    everyone = judge_runs(bundle_runs(bundle, source, Asked(AS_OF, 28), source.purchases, seed=0), source, seed=0)
    assert figures(some, model="bundle") != figures(everyone, model="bundle")
    assert figures(some, model="popularity") == figures(everyone, model="popularity")
    with pytest.raises(UsageError, match="--subjects: stands in the runs already"):
        in_process(
            app, "ranking", "--runs", tmp_path, "--purchases", market.purchases, "--subjects", agreed, "--out", tmp_path
        )


def test_offers_are_judged_by_the_statistics_of_some(market: Market, tmp_path: Path, agreed: Path) -> None:
    start = pl.lit(AS_OF).cast(pl.Datetime("us", "UTC"))
    kinds = [f"{kind}-a" for kind in range(8)]
    offers = pl.DataFrame({"offer_id": kinds, "items": [[kind] for kind in kinds], "title": kinds})
    OFFERS.write(offers.with_columns(campaign=pl.lit("spring"), valid_from=start), tmp_path / "offers.parquet")
    rows = [(token(number), kinds[number % 8], AS_OF) for number in range(40)]
    redeemed = pl.DataFrame(rows, schema=["subject", "offer_id", "day"], orient="row")
    REDEMPTIONS.write(redeemed, tmp_path / "redemptions.parquet")
    given = ["--bundle", market.bundle, "--trust", market.trust, "--purchases", market.purchases]
    given += ["--offers", tmp_path / "offers.parquet", "--redemptions", tmp_path / "redemptions.parquet"]
    in_process(app, "offers", *given, "--out", tmp_path / "some", "--subjects", agreed)
    in_process(app, "offers", *given, "--out", tmp_path / "all")
    some, everyone = (
        {
            one["rule"]: one["ndcg"]["mean"]
            for one in json.loads((tmp_path / name / "offers.json").read_bytes())["figures"]
        }
        for name in ("some", "all")
    )
    assert some["coverage"] == everyone["coverage"]  # of the histories: they are whole
    assert some["popularity"] != everyone["popularity"]


class TestCounted:
    """What is counted, and what is said about it."""

    @pytest.fixture
    def source(self, market: Market) -> Source:
        return read_source(market.purchases, today=LATER)

    def test_a_bundle_of_those_who_agreed_asks_for_them(
        self, market: Market, source: Source, agreed: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        bundle = load_bundle(market.bundle, trust=market.trust)
        data = msgspec.structs.replace(bundle.manifest.data, consent="training")
        asked = replace(bundle, manifest=msgspec.structs.replace(bundle.manifest, data=data))
        for learned, subjects, warned in ((asked, None, True), (asked, agreed, False), (bundle, None, False)):
            found = counted_purchases(source, learned, path=market.purchases, subjects=subjects)
            numbers = AGREED if subjects else range(SUBJECTS)
            assert set(found["subject"]) == {token(number) for number in numbers} & set(source.purchases["subject"])
            assert ("name the --subjects" in capsys.readouterr().err) is warned

    def test_a_dataset_says_itself_who_agreed(self, market: Market, source: Source, tmp_path: Path) -> None:
        tables = {"purchases": source.purchases, "subjects": people(AGREED[:9])}
        append(released(tmp_path / "release", tables), tmp_path / "dataset", accept_epoch=False, today=LATER)
        bundle = load_bundle(market.bundle, trust=market.trust)
        found = counted_purchases(source, bundle, path=tmp_path / "dataset", subjects=None)
        assert set(found["subject"]) <= {token(number) for number in AGREED[:9]}

    def test_other_peoples_consents_are_refused(self, market: Market, source: Source, tmp_path: Path) -> None:
        bundle, path = load_bundle(market.bundle, trust=market.trust), tmp_path / "subjects.parquet"
        CONTRACT.write(people([1], epoch="02"), path)
        with pytest.raises(TokenError, match=r"tokens of rec\.02"):
            counted_purchases(source, bundle, path=market.purchases, subjects=path)
        CONTRACT.write(people([1], consents=("profiling",)), path)
        with pytest.raises(ContractError, match="nobody who bought anything agreed"):
            counted_purchases(source, bundle, path=market.purchases, subjects=path)
