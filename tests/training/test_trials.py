"""Which trials of an interrupted search are taken over, and what an interrupt says and leaves."""

from __future__ import annotations

import datetime as dt
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import msgspec
import polars as pl
import pytest
from support.tastes import FIRST_DAY, TYPES, Shop, Train

from recsys.bundle import load_bundle
from training.basis import basis_of
from training.dataset import Sources, read_dataset
from training.fit import Options, prepared
from training.levels import LevelChoice
from training.plan import Search, Work, choose
from training.profiles import Profile

TODAY = dt.date(2025, 1, 1)


def work_on(shop: Shop, *, catalogue: Path | None = None, until: dt.date | None = None, seed: int = 0) -> Work:
    level = LevelChoice.ITEM if catalogue is None else LevelChoice.TYPE
    dataset = read_dataset(Sources(shop.purchases, None, catalogue, None), until=until, today=TODAY)
    return prepared(dataset, Options("shop", level, Profile.TEST, seed)).work


def test_trials_of_another_catalogue_are_not_taken_over(shop: Shop, tmp_path: Path) -> None:
    fewer = pl.read_parquet(shop.catalogue).with_columns(pl.col("category").replace(TYPES[0], TYPES[1]))
    fewer.write_parquet(tmp_path / "fewer.parquet")
    first, other = (work_on(shop, catalogue=path) for path in (shop.catalogue, tmp_path / "fewer.parquet"))
    interrupted = choose(first, Search(trials=2, journal=tmp_path / "trials.jsonl"))
    clean = choose(other, Search(trials=2))
    assert choose(other, Search(trials=2, journal=tmp_path / "trials.jsonl")) == clean
    assert clean.trials != interrupted.trials
    assert choose(first, Search(trials=2, journal=tmp_path / "trials.jsonl")) == interrupted


def test_trials_of_other_numbers_of_people_are_not_taken_over(shop: Shop, tmp_path: Path) -> None:
    everyone, search = work_on(shop), Search(trials=2, journal=tmp_path / "trials.jsonl")
    some = replace(everyone, effort=replace(everyone.effort, people=10))
    first, clean = choose(everyone, search), choose(some, Search(trials=2))
    assert choose(some, search) == clean
    assert clean.trials != first.trials
    assert choose(everyone, search) == first


def test_the_basis_is_what_trials_depend_on(shop: Shop) -> None:
    def basis(work: Work) -> str:
        return basis_of(work.world, work.blocks[-1], work.seed, work.effort.people)

    work = work_on(shop)
    record = work.world.record
    changed = [
        work_on(shop, until=FIRST_DAY + dt.timedelta(days=80)),
        work_on(shop, catalogue=shop.catalogue),
        replace(work, seed=1),
        replace(work, effort=replace(work.effort, people=20)),
        replace(work, blocks=work.blocks[:-1]),
        replace(work, blocks=[replace(work.blocks[-1], known=work.blocks[-1].day)]),
        replace(work, world=replace(work.world, record=replace(record, day=record.day - 1))),
    ]
    assert basis(work) == basis(work_on(shop))
    assert len({basis(work), *map(basis, changed)}) == len(changed) + 1


@pytest.mark.parametrize("command", ["fit", "tune"])
def test_an_interrupt_keeps_the_trials_and_says_so(shop: Shop, tmp_path: Path, train: Train, command: str) -> None:
    options = shop.options(tmp_path, name="shop" if command == "fit" else None)
    if command == "tune":
        options = ["--purchases", str(shop.purchases), "--profile", "test", "--out", str(tmp_path / "config.toml")]
    words = [sys.executable, "-m", "training", command, *options, "--budget", "1h"]
    with subprocess.Popen(  # noqa: S603 - our own command
        words, stderr=subprocess.PIPE, text=True, env=os.environ | {"COLUMNS": "200"}
    ) as process:
        while process.poll() is None and len(kept_in(tmp_path)) < 3:
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=120)
    assert process.returncode == 130, said
    assert "the same command goes on from them" in said
    assert "Traceback" not in said
    kept = kept_in(tmp_path)
    done = train(command, *options, "--budget", len(kept), "--json")
    assert done.json["trials"] == len(kept) >= 3
    if command == "fit":
        assert list(load_bundle(done.bundle, trust=shop.trust).manifest.trials) == kept
    assert not list(tmp_path.rglob(".trials*"))


def kept_in(folder: Path) -> list[object]:
    """The trials in the journal below a folder, without a line that is being written."""
    lines = [line for path in folder.rglob(".trials*") for line in path.read_bytes().splitlines() if line]
    return [msgspec.json.decode(line)["trial"] for line in lines if line.endswith(b"}}}")]
