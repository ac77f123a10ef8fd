"""The soak scripts run, say what they found, and end with a status that says the same: seconds here, hours there."""

from __future__ import annotations

import math
import re
from pathlib import Path

import pytest
from support.bars import Bar, status_of
from support.load import Load
from support.scripts import script

from benchmarks.service import Answered, bars_of

memory = script("soak_memory", "tests/soak")
overload = script("soak_overload", "tests/soak")


def load(seconds: float = 0.01, *, refused: float = 0.001, many: int = 100, **more: int) -> Load:
    """Requests that all took as long, half as many refusals, and what was neither."""
    found = Load([seconds] * many, [refused] * (many // 2) if refused else [], seconds=1.0)
    found.wrong.update(more)
    return found


def soaked(**more: object) -> list[str]:
    """The bars that are missed, where everything else is well."""
    idle = load(refused=0)
    parts = {"alone": idle, "before": idle, "capacity": idle, "loaded": load(), "after": idle, "memory": [100.0] * 100}
    return [bar.name for bar in overload.Soaked(**(parts | more)).bars() if not bar.held]


@pytest.mark.parametrize(
    ("bar", "held"),
    [
        (Bar("a", 3.0, most=3.0), True),
        (Bar("a", 3.1, most=3.0), False),
        (Bar("a", 0.5, least=0.5), True),
        (Bar("a", 0.4, least=0.5), False),
        (Bar("a", math.nan, most=3.0), False),
        (Bar("a", math.nan, least=0.5), False),
    ],
)
def test_a_bar_says_whether_it_is_held(bar: Bar, held: bool) -> None:  # noqa: FBT001 - a row of the table above
    assert bar.held is held
    assert str(bar).startswith("held  " if held else "MISSED")
    assert status_of([Bar("b", 0.0), bar]) == (not held)


def test_an_overload_that_is_borne_misses_no_bar() -> None:
    assert soaked() == []


@pytest.mark.parametrize(
    ("more", "missed"),
    [
        ({"loaded": load(0.031)}, "p99 of the accepted, times the unloaded p99"),
        ({"loaded": load(refused=0.031)}, "p99 of the refused, times the unloaded p99"),
        ({"loaded": load(refused=0)}, "p99 of the refused, times the unloaded p99"),
        ({"loaded": load(**{"500": 1})}, "answers that are neither, and refusals without Retry-After"),
        ({"loaded": load(many=49)}, "capacity over what was answered under overload"),
        ({"memory": [100.0] * 50 + [106.0] * 50}, "memory in the last fifth, times that in the second"),
        ({"after": load(0.016, refused=0)}, "unloaded median afterwards, times that before"),
        ({"after": load()}, "share refused afterwards: a burst now and then"),
    ],
)
def test_each_bar_is_missed_by_what_it_is_about(more: dict[str, object], missed: str) -> None:
    assert soaked(**more) == [missed]


def test_what_comes_after_the_overload_does_not_loosen_the_bar() -> None:
    assert soaked(loaded=load(0.031), after=load(0.014, refused=0)) == ["p99 of the accepted, times the unloaded p99"]


def test_memory_has_to_stay_and_everything_to_be_answered() -> None:
    flat = [90.0] * 10 + [100.0] * 40
    assert [bar.held for bar in memory.bars_of(flat, 0)] == [True, True]
    assert [bar.held for bar in memory.bars_of([*flat[:-10], *[106.0] * 10], 1)] == [False, False]


@pytest.mark.parametrize(
    ("rate", "seconds", "held"), [(50, 0.02, [True, True]), (49, 0.02, [False, True]), (50, 0.021, [True, False])]
)
def test_the_benchmark_is_held_to_half_the_rate_and_twice_the_p99(rate: int, seconds: float, held: list[bool]) -> None:
    theirs, ours = (Answered([one], [1.0]) for one in (load(), load(seconds, many=rate)))
    assert [bar.held for bar in bars_of(theirs, ours)] == held


def test_an_overload_of_a_busy_machine_is_not_graded(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It would have an unloaded p99 that bears anything."""
    assert overload.main(["--work", str(tmp_path / "work"), "--most-load", "-1"]) == 2
    said = capsys.readouterr().out
    assert re.fullmatch(
        r"NOT GRADED   load \d+\.\d\d before it began, \d+ processors: more than -1; .*--most-load\n", said
    )
    assert not (tmp_path / "work").exists()


@pytest.mark.slow
def test_the_overload_in_seconds(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A busy machine may miss a bar in so short a time; whatever it is, the status says it, and no answer is wrong."""
    status = overload.main(["--work", str(tmp_path / "work"), "--seconds", "3", "--most-load", "inf"])
    said = capsys.readouterr().out
    assert status == ("MISSED" in said)
    assert "held    answers that are neither" in said
    assert said.count("  at most ") == 7
    for named in (f"{overload.SHIPPED}, as shipped", f"{overload.DEFAULT}, the default: no bar"):
        assert re.search(rf"^places       {named}; load \d+\.\d\d before it began", said, re.MULTILINE)


@pytest.mark.slow
def test_the_memory_in_seconds(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """So few requests warm the worker up, and may miss the bar of flat memory."""
    status = memory.main(["--work", str(tmp_path / "work"), "--requests", "300", "--subjects", "1000"])
    said = capsys.readouterr().out
    assert status == ("MISSED" in said)
    assert "held    not answered" in said
    assert re.search(r"^ +300 requests +\d+ MiB$", said, re.MULTILINE)
