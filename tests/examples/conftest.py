"""The example's files, made by the real command: few households for most tests, all of them for the slow ones."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

Prepare = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="session")
def prepare() -> Prepare:
    def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, str(ROOT / "examples" / "complete_journey" / "prepare.py"), *arguments]
        settings = {**os.environ, "PYTHONPATH": str(ROOT), **environment}
        return subprocess.run(command, capture_output=True, text=True, check=False, env=settings)  # noqa: S603 - ours

    return run


@pytest.fixture(scope="session")
def make(prepare: Prepare, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    def run(*arguments: str, **environment: str) -> Path:
        out = tmp_path_factory.mktemp("example") / "raw"
        done = prepare("--out", str(out), *arguments, **environment)
        assert done.returncode == 0, done.stderr
        return out

    return run


@pytest.fixture(scope="session")
def few(make: Callable[..., Path]) -> Path:
    return make("--households", "60")


@pytest.fixture(scope="session")
def other(make: Callable[..., Path]) -> Path:
    """Other people, and the offers of another week; its Thursday stands for it."""
    return make("--households", "60", "--seed", "1", "--week-of", "2017-06-01")


@pytest.fixture(scope="session")
def everyone(make: Callable[..., Path]) -> Path:
    return make()
