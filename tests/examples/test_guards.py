"""The examples of the guards: one for each, and each is withheld by the guard that it is about."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

from recsys.guards import GUARDS

FILE = Path(__file__).resolve().parents[2] / "examples" / "guards.py"


def test_there_is_an_example_for_each_guard(capsys: pytest.CaptureFixture[str]) -> None:
    made = runpy.run_path(str(FILE))
    assert [example.rule for example in made["EXAMPLES"]] == [*GUARDS, "frequency_cap", "diversity"]
    for example in made["EXAMPLES"]:
        decision = made["decided"](example)
        assert decision.withheld == {example.rule: 1}
        assert len(decision.items) == (2 if example.rule == "diversity" else 0)
    made["main"]()
    assert "goes out: cherry, bread" in capsys.readouterr().out
