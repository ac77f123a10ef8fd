"""`ranking`, asked otherwise: other days and splits, what it warns of, and what it refuses to judge."""

from __future__ import annotations

import datetime as dt
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
from support.commands import assert_clear_failure, in_process, no_leftovers, run
from support.market import AS_OF, Market
from support.tokens import token

from recsys.cli import app
from recsys.contracts.purchases import PURCHASES
from recsys.errors import RecsysError, TokenError, UsageError

pytestmark = pytest.mark.slow  # a fitted bundle


def ranking(*arguments: str) -> None:
    """The command in this process: its errors are raised as they are."""
    in_process(app, "ranking", *arguments)


def test_a_bundle_that_has_seen_the_window_is_refused(market: Market, tmp_path: Path) -> None:
    early = AS_OF - dt.timedelta(days=1)
    out = tmp_path / "report"
    done = run("recsys", "ranking", *market.judged(out=out, **{"as-of": early}))
    assert_clear_failure(done, "training window reaches into", "2017-11-27", "--until 2017-11-26")
    assert not out.exists()


def test_a_later_day_may_be_judged(market: Market, tmp_path: Path) -> None:
    ranking(*market.judged(out=tmp_path, **{"as-of": AS_OF + dt.timedelta(days=7)}), "--horizon", "14")
    assert json.loads((tmp_path / "ranking.json").read_text())["windows"][0]["days_covered"] == 14


def test_purchases_that_end_within_the_window_are_judged_with_a_warning(
    market: Market, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cut = tmp_path / "cut.parquet"
    PURCHASES.write(market.lines.filter(pl.col("day") < AS_OF + dt.timedelta(days=10)), cut)
    ranking(*market.judged(out=tmp_path, purchases=cut))
    assert "they cover 10 of the 28 days" in capsys.readouterr().err
    assert "they cover 10 of the 28 days" in (tmp_path / "ranking.html").read_text()


def test_a_window_full_of_items_the_bundle_does_not_know_is_judged_with_a_warning(
    market: Market, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    strange = (pl.col("day") >= AS_OF) & pl.col("item").str.ends_with("-a")
    renamed = market.lines.with_columns(item=pl.when(strange).then(pl.lit("strange")).otherwise("item"))
    PURCHASES.write(renamed, tmp_path / "renamed.parquet")
    ranking(*market.judged(out=tmp_path, purchases=tmp_path / "renamed.parquet"))
    share = json.loads((tmp_path / "ranking.json").read_text())["windows"][0]["unknown_share"]
    assert 0.3 < share < 0.7
    assert f"do not know {100 * share:.0f}" in capsys.readouterr().err


def test_a_task_that_nobody_can_be_judged_on_is_left_out(
    market: Market, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = market.lines.filter(pl.col("day") < AS_OF, pl.col("quantity") > 0)
    returned = before.with_columns(day=pl.lit(AS_OF))  # in the window everyone buys what they know, and only that
    PURCHASES.write(pl.concat([before, returned]), tmp_path / "habit.parquet")
    ranking(*market.judged(out=tmp_path, purchases=tmp_path / "habit.parquet"))
    document = json.loads((tmp_path / "ranking.json").read_text())
    assert {figure["task"] for figure in document["figures"]} == {"mixed", "repeat"}
    assert "Too few could be judged on “something new to them”" in capsys.readouterr().err
    assert (tmp_path / "ranking.html").read_text(encoding="utf-8").count("<svg") == 4 * 2


def test_tokens_of_another_domain_are_refused(market: Market, tmp_path: Path) -> None:
    foreign = tmp_path / "foreign.parquet"
    PURCHASES.write(
        market.lines.with_columns(pl.col("subject").str.replace("s1.rec.", "s1.shop.", literal=True)), foreign
    )
    with pytest.raises(TokenError, match="domain 'shop', and the bundle was learned from those of 'rec'"):
        ranking(*market.judged(out=tmp_path, purchases=foreign))
    assert not (tmp_path / "ranking.json").exists()


BROKEN: dict[str, tuple[Callable[[pl.DataFrame], pl.DataFrame], str]] = {
    "two domains": (
        lambda lines: pl.concat([lines, lines.head(1).with_columns(subject=pl.lit(token("x", domain="shop")))]),
        "tokens of 2 domains or epochs",
    ),
    "a misspelt column": (lambda lines: lines.rename({"item": "itm"}), "Rename column 'itm'"),
    "a name in a token's place": (
        lambda lines: lines.with_columns(subject=pl.lit("Anna Berg")),
        "row 1, column 'subject'",
    ),
    "nothing before the day": (
        lambda lines: lines.filter(pl.col("day") >= AS_OF),
        "nothing that the bundle knows was bought before 2017-11-27",
    ),
    "nothing in the window": (
        lambda lines: lines.filter(pl.col("day") < AS_OF),
        "nobody with a history bought anything that the bundle knows",
    ),
    "only items the bundle does not know": (
        lambda lines: lines.with_columns(item=pl.lit("new")),
        "nothing that the bundle knows",
    ),
    "a day to come": (lambda lines: lines.with_columns(day=pl.lit(dt.date(2999, 1, 1))), "lies in the future"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_purchases_that_cannot_be_judged(market: Market, tmp_path: Path, name: str) -> None:
    change, message = BROKEN[name]
    change(market.lines).write_parquet(tmp_path / "broken.parquet")
    out = tmp_path / "report"
    with pytest.raises(RecsysError, match=r"broken|purchases") as failed:
        ranking(*market.judged(out=out, purchases=tmp_path / "broken.parquet"))
    assert message in str(failed.value)
    assert "Anna" not in str(failed.value)
    assert not out.exists()


def test_a_table_cut_off_half_way_is_refused(market: Market, tmp_path: Path) -> None:
    (tmp_path / "cut.parquet").write_bytes(market.purchases.read_bytes()[:2000])
    with pytest.raises(RecsysError, match="cut off"):
        ranking(*market.judged(out=tmp_path / "report", purchases=tmp_path / "cut.parquet"))


def test_a_bundle_with_one_byte_changed_is_refused(market: Market, tmp_path: Path) -> None:
    copied = tmp_path / "models" / "small"
    shutil.copytree(market.bundle, copied)
    (graph,) = copied.rglob("model.onnx")
    content = bytearray(graph.read_bytes())
    content[len(content) // 2] ^= 1
    graph.write_bytes(content)
    with pytest.raises(RecsysError, match="changed after it was signed"):
        ranking(*market.judged(out=tmp_path / "report", bundle=copied))


@pytest.mark.parametrize(("day", "message"), [("27.11.2017", "is not a date"), ("9999-12-31", "lies in the future")])
def test_a_day_that_cannot_be_judged_is_a_wrong_call(market: Market, tmp_path: Path, day: str, message: str) -> None:
    with pytest.raises(UsageError, match=f"--as-of: {message}"):
        ranking(*market.judged(out=tmp_path, **{"as-of": day}))


def test_an_output_that_is_a_file_is_left_as_it_was(market: Market, tmp_path: Path) -> None:
    out = tmp_path / "report"
    out.write_text("mine")
    with pytest.raises(RecsysError, match="cannot be written"):
        ranking(*market.judged(out=out))
    assert out.read_text() == "mine"
    assert no_leftovers(tmp_path)


def test_last_baskets_may_be_judged(market: Market, tmp_path: Path) -> None:
    ranking(*market.judged(out=tmp_path), "--split", "last-basket")
    document = json.loads((tmp_path / "ranking.json").read_text())
    assert document["run"]["split"] == "last-basket"
    assert "last basket in the window" in (tmp_path / "ranking.html").read_text()


def test_what_stands_in_runs_is_not_asked_again(market: Market, tmp_path: Path) -> None:
    for wrong, message in (
        (("--runs", str(tmp_path), "--as-of", "2017-11-27"), "--as-of: stands in the runs already"),
        (("--bundle", str(market.bundle)), "needs --runs, or --bundle with --trust and --as-of"),
    ):
        with pytest.raises(UsageError, match=message):
            ranking("--purchases", str(market.purchases), "--out", str(tmp_path), *wrong)
