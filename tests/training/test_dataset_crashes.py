"""Killed before any step, or out of disk: the dataset is what it was or what it was to be; run again, it is done."""

from __future__ import annotations

import datetime as dt
import json
import shutil
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest
from support.killed import Scenario, kill_everywhere
from support.links import relink_order
from support.releases import all_tokens, bytes_of, held, one_time_map, order, people, receipts, released, rows_of
from support.tastes import Train
from support.tokens import token

from recsys.contracts.dataset import dataset_in
from training.purchases.folder import is_blank
from training.purchases.tables import TABLES

pytestmark = pytest.mark.slow  # some fifty processes

FIRST = dt.date(2024, 1, 1)
ANNA = token("anna")
COMMANDS = {
    "create": ("append", "r1", "--purchases", "new"),
    "append": ("append", "r2", "--purchases", "dataset"),
    "forget": ("forget", "order.json", "--purchases", "dataset", "--models", "models", "--out", "receipt.json"),
    "rekey": ("rekey", "map.parquet", "--purchases", "dataset", "--out", "receipt.json"),
    "relink": ("relink", "relink.parquet", "--purchases", "dataset", "--out", "receipt.json"),
}
Tables = dict[str, pl.DataFrame]
# The real commands without `fit`, whose imports would take most of the time.
MAIN = """
from recsys.console import new_app, run
from training.purchases.cli import append_command, forget_command, rekey_command
from training.purchases.relink_cli import relink_command

app = new_app("The commands that change a dataset.")
for command in (append_command, forget_command, rekey_command, relink_command):
    app.command(command.__name__.removesuffix("_command"))(command)

def main():
    run(lambda: app, "recsys-train")
"""


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dataset of one release; a second one, an order and a map that wait."""
    from training.purchases.append import append  # noqa: PLC0415 - the fixture `train` is not for modules

    folder: Path = tmp_path_factory.mktemp("template")
    tables = {"purchases": receipts(["anna", "bela"], first=FIRST), "subjects": people(["anna", "bela"])}
    released(folder / "r1", tables)
    released(folder / "r2", {"purchases": receipts(["cara"], first=FIRST), "subjects": people(["anna", "cara"])})
    append(folder / "r1", folder / "dataset", accept_epoch=False, today=dt.date(2024, 2, 1))
    (folder / "models").mkdir()
    order(folder / "order.json", ANNA)
    one_time_map(folder / "map.parquet", all_tokens(folder / "dataset"))
    relink_order(folder / "relink.parquet", [(token("bela"), ANNA)])
    return folder


@pytest.fixture(scope="module")
def killed(template: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Path]]:
    places: dict[str, Path] = {name: tmp_path_factory.mktemp(name) for name in COMMANDS}
    scenarios = [Scenario(template, places[name], arguments) for name, arguments in COMMANDS.items()]
    return dict(zip(COMMANDS, kill_everywhere(MAIN, *scenarios), strict=True))


def content(folder: Path) -> Tables | None:
    """The rows of each table; None where there is no dataset, or one that nothing was ever appended to."""
    dataset = dataset_in(folder)
    if dataset is None or is_blank(dataset):
        return None
    return {table: rows_of(folder, table) for table in TABLES}


def same(one: Tables | None, other: Tables | None) -> bool:
    if one is None or other is None:
        return one is other
    return all(one[table].equals(other[table]) for table in TABLES)


@pytest.mark.parametrize("name", COMMANDS)
def test_killed_anywhere_it_is_all_or_nothing_and_can_be_run_again(
    killed: dict[str, list[Path]], template: Path, name: str, train: Train, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments, cases = COMMANDS[name], killed[name]
    dataset = arguments[arguments.index("--purchases") + 1]
    before, after = content(template / dataset), content(cases[-1] / dataset)
    assert not same(before, after)
    outcomes = set()
    for case in cases:
        found = content(case / dataset)
        assert same(found, before) or same(found, after), case
        outcomes.add(same(found, after))
        monkeypatch.chdir(case)
        done = train(*arguments)
        finished = "map is destroyed" not in done.stderr and "applied and destroyed" in done.stderr
        assert done.returncode == 0 or (name == "rekey" and finished), done.stderr
        assert same(content(case / dataset), after), case
        assert {path.name for path in (case / dataset).iterdir()} == {"dataset.json", *held(case / dataset).files}
        if name == "forget":
            receipt = json.loads((case / "receipt.json").read_text())
            assert receipt["deleted"] == {"purchases": 9, "subjects": 1, "redemptions": 0, "demographics": 0}
            assert ANNA.encode() not in bytes_of(case / dataset)
        if name == "rekey":
            assert json.loads((case / "receipt.json").read_text())["destroyed"]
            assert not (case / "map.parquet").exists()
        if name == "relink":
            assert json.loads((case / "receipt.json").read_text())["joined"]["purchases"] == 9
    assert outcomes == {True, False}
    assert len(cases) > 8


FULL = """
import json, os, resource, sys
limits = json.loads(sys.argv[1])
for case, limit, arguments in limits:
    child = os.fork()
    if not child:
        os.chdir(case)
        sys.argv = ["recsys-train", *arguments]
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
        try:
            main()
        except SystemExit as end:
            os._exit(end.code or 0)
        os._exit(99)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


def test_a_full_disk_changes_nothing(template: Path, tmp_path: Path) -> None:
    """Nothing fits, or only small files do."""
    asked = []
    for name, arguments in COMMANDS.items():
        for limit in (0, 1_000):
            case = shutil.copytree(template, tmp_path / f"{name}-{limit}")
            asked.append((str(case), limit, arguments))
    done = subprocess.run(  # noqa: S603 - our own commands under a limit
        [sys.executable, "-c", MAIN + FULL, json.dumps(asked)], capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stderr
    assert set(done.stdout.split()) == {"1"}
    assert "Traceback" not in done.stderr
    assert done.stderr.count("Error: ") == len(asked), done.stderr
    for case, _, arguments in asked:
        dataset = arguments[arguments.index("--purchases") + 1]
        assert same(content(Path(case) / dataset), content(template / dataset)), case
        left = {path.name for path in Path(case).rglob("*")}
        assert left == {path.name for path in template.rglob("*")}, case
