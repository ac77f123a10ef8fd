from __future__ import annotations

import datetime as dt
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from support.commands import assert_clear_failure, in_process, no_leftovers, run
from support.market import AS_OF, Market
from support.tokens import token

from recsys.bundle import load_bundle
from recsys.cli import app
from recsys.contracts.evaluation_sets import AS_OF as AS_OF_CONTRACT
from recsys.contracts.purchases import PURCHASES
from recsys.errors import RecsysError, TokenError, UsageError
from recsys.history import ItemIndex, day_number, histories, purchase_days
from recsys.scorer import Scorer
from recsys.statistics import item_statistics


def topk(*arguments: str) -> None:
    """The command in this process: its errors are raised as they are."""
    in_process(app, "topk", *arguments)


def one_by_one(market: Market, days: dict[str, dt.date], k: int) -> list[tuple[str, int, str, float]]:
    """Each subject alone: the history before the day, the scorer's answer, a sort."""
    bundle = load_bundle(market.bundle, trust=market.trust)
    scorer, rows = Scorer(bundle), []
    for subject, day in sorted(days.items()):
        before = market.lines.filter(pl.col("subject") == subject, pl.col("day") < day)
        index = ItemIndex.of(before["item"].unique())
        scorer.refresh(statistics_before(market, scorer, day))
        own = histories(before, index, subjects=[subject])
        folded = scorer.fold(own, scorer.codes(index), as_of=day_number(day))
        if not folded.known[0]:
            continue
        scores = scorer.score(folded, np.arange(len(bundle.vocabulary)))[0].tolist()
        best = sorted(range(len(scores)), key=lambda item: (-scores[item], item))[:k]
        rows += [(subject, rank, bundle.vocabulary.names[i], scores[i]) for rank, i in enumerate(best, start=1)]
    return rows


def statistics_before(market: Market, scorer: Scorer, day: dt.date) -> pl.DataFrame:
    """Of everyone's purchases before the day, by model item."""
    index = ItemIndex.of(market.lines["item"].unique())
    codes = dict(zip(index.names, scorer.codes(index).tolist(), strict=True))
    names = {item: scorer.vocabulary.names[code] for item, code in codes.items() if code >= 0}
    known = market.lines.filter(pl.col("item").is_in(list(names)))
    daily = purchase_days(known, until=day).with_columns(pl.col("item").replace_strict(names))
    return item_statistics(daily, as_of=day, min_buyers=scorer.bundle.manifest.min_buyers)


def same(found: pl.DataFrame, expected: list[tuple[str, int, str, float]]) -> None:
    assert found.columns == ["subject", "rank", "item", "score"]
    assert found.select("subject", "rank", "item").rows() == [row[:3] for row in expected]
    assert found["score"].to_list() == pytest.approx([row[3] for row in expected], abs=1e-5)


def test_lists_are_what_the_scorer_says_of_each_subject(market: Market, tmp_path: Path) -> None:
    out = tmp_path / "top.parquet"
    done = run("recsys", "topk", *market.judged(out=out), "--k", 4)
    assert done.returncode == 0, done.stderr
    days = dict.fromkeys(market.lines["subject"].unique(), AS_OF)
    expected = one_by_one(market, days, 4)
    same(pl.read_parquet(out), expected)
    left_out = len(days) - len({row[0] for row in expected})
    assert left_out == 7
    assert f"{left_out} subjects have no history" in done.stderr
    assert "trained on days before" not in done.stderr
    assert done.stdout == ""


def test_a_file_gives_each_subject_a_day(market: Market, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    subjects = sorted(market.lines["subject"].unique())[:12]
    days = {subject: AS_OF - dt.timedelta(days=9 * number) for number, subject in enumerate(subjects)}
    ends = pl.DataFrame({"subject": list(days), "day": list(days.values())})
    AS_OF_CONTRACT.write(ends, tmp_path / "ends.parquet")
    topk(*market.judged(out=tmp_path / "top.parquet", **{"as-of": tmp_path / "ends.parquet"}), "--k", "3")
    same(pl.read_parquet(tmp_path / "top.parquet"), one_by_one(market, days, 3))
    assert "trained on days before 2017-11-27, which lies after" in capsys.readouterr().err


def test_nothing_dated_on_or_after_the_day_is_used(market: Market, tmp_path: Path) -> None:
    PURCHASES.write(market.lines.filter(pl.col("day") < AS_OF), tmp_path / "before.parquet")
    topk(*market.judged(out=tmp_path / "all.parquet"))
    topk(*market.judged(out=tmp_path / "some.parquet", purchases=tmp_path / "before.parquet"))
    assert (tmp_path / "all.parquet").read_bytes() == (tmp_path / "some.parquet").read_bytes()


def test_a_day_that_the_bundle_has_seen_is_warned_of_and_no_more(
    market: Market, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    topk(*market.judged(out=tmp_path / "top.csv", **{"as-of": AS_OF - dt.timedelta(days=1)}), "--k", "99")
    assert "do not judge these lists" in capsys.readouterr().err
    lists = pl.read_csv(tmp_path / "top.csv")
    items = len(load_bundle(market.bundle, trust=market.trust).vocabulary)
    assert lists.group_by("subject").len()["len"].unique().to_list() == [items]  # fewer than 99: all, once
    assert lists.select("subject", "item").is_unique().all()


def test_a_file_of_days_with_foreign_tokens_is_refused(market: Market, tmp_path: Path) -> None:
    ends = pl.DataFrame({"subject": [token(1, domain="shop")], "day": [AS_OF]})
    AS_OF_CONTRACT.write(ends, tmp_path / "ends.parquet")
    with pytest.raises(TokenError, match=r"tokens of shop\.01, the purchases those of rec\.01"):
        topk(*market.judged(out=tmp_path / "top.parquet", **{"as-of": tmp_path / "ends.parquet"}))
    assert not (tmp_path / "top.parquet").exists()


def test_a_subject_twice_in_a_file_of_days_is_refused(market: Market, tmp_path: Path) -> None:
    pl.DataFrame({"subject": [token(1)] * 2, "day": [AS_OF] * 2}).write_parquet(tmp_path / "ends.parquet")
    with pytest.raises(RecsysError, match="the same subject stands in 2 rows"):
        topk(*market.judged(out=tmp_path / "top.parquet", **{"as-of": tmp_path / "ends.parquet"}))


def test_nobody_to_list_is_an_error(market: Market, tmp_path: Path) -> None:
    with pytest.raises(RecsysError, match="nobody has a history"):
        topk(*market.judged(out=tmp_path / "top.parquet", **{"as-of": dt.date(2000, 1, 1)}))


def test_wrong_calls(market: Market, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--as-of: is not a date"):
        topk(*market.judged(out=tmp_path / "top.parquet", **{"as-of": "yesterday"}))
    with pytest.raises(RecsysError, match=r"neither .parquet nor .csv"):
        topk(*market.judged(out=tmp_path / "top.txt"))
    done = run("recsys", "topk", *market.judged(out=tmp_path / "top.parquet"), "--k", 0)
    assert_clear_failure(done, "--k", status=2)
    assert no_leftovers(tmp_path)
