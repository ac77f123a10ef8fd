"""The shop of `support.tastes`, and the command in this process or in one of its own."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from support import tastes
from support.commands import run
from support.tastes import Done, Shop, Train

from recsys.bundle import Bundle, load_bundle
from training.__main__ import main


@pytest.fixture(scope="session")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    folder: Path = tmp_path_factory.mktemp("tastes")
    return tastes.build(folder)


@pytest.fixture
def train(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Train:
    """`recsys-train` in this process: one of its own would spend most of its time on imports."""

    def command(*arguments: object) -> Done:
        monkeypatch.setattr(sys, "argv", ["recsys-train", *map(str, arguments)])
        monkeypatch.setenv("COLUMNS", "200")
        with pytest.raises(SystemExit) as end:
            main()
        output = capsys.readouterr()
        return Done(int(end.value.code or 0), output.out, output.err)

    return command


@pytest.fixture(scope="session")
def fitted(shop: Shop, tmp_path_factory: pytest.TempPathFactory) -> Done:
    """The real command, in a process of its own, given everything that it takes."""
    models: Path = tmp_path_factory.mktemp("models")
    done = run("training", "fit", *shop.full(models, seed=3), "--json")
    return Done(done.returncode, done.stdout, done.stderr)


@pytest.fixture(scope="session")
def bundle(fitted: Done, shop: Shop) -> Bundle:
    return load_bundle(fitted.bundle, trust=shop.trust)
