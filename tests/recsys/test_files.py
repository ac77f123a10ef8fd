from __future__ import annotations

import resource
import subprocess
import sys
from pathlib import Path

import pytest
from support.commands import no_leftovers

from recsys.errors import OutputError
from recsys.files import new_folder, replacing, write_text


def test_a_failed_write_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "f"
    write_text(path, "before")
    with pytest.raises(ValueError, match="stop"), replacing(path) as beside:
        beside.write_text("half")
        raise ValueError("stop")
    assert path.read_text() == "before"
    assert no_leftovers(tmp_path)


def test_a_failed_folder_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="stop"), new_folder(tmp_path / "out") as beside:
        (beside / "f").write_text("half")
        raise ValueError("stop")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_holds_something_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine").write_text("kept")
    with pytest.raises(OutputError, match="not an empty folder"), new_folder(tmp_path / "out"):
        pass
    assert (tmp_path / "out" / "mine").read_text() == "kept"


def test_a_full_disk_is_one_message_and_nothing_half_written(tmp_path: Path) -> None:
    script = (
        "import resource, sys, pathlib\n"
        "from recsys.files import write_text\n"
        f"resource.setrlimit(resource.RLIMIT_FSIZE, (1000, {resource.RLIM_INFINITY}))\n"
        "import signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "write_text(pathlib.Path(sys.argv[1]), 'x' * 5000)\n"
    )
    done = subprocess.run(  # noqa: S603 - this interpreter, with the script above
        [sys.executable, "-c", script, str(tmp_path / "f")], capture_output=True, text=True, check=False
    )
    assert "OutputError" in done.stderr
    assert "cannot be written" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_under_a_table_is_one_message_too(tmp_path: Path) -> None:
    script = (
        "import pathlib, resource, signal, sys\n"
        "import polars as pl\n"
        "from recsys.contracts.table import write_rows\n"
        "frame = pl.DataFrame({'n': range(100_000)})\n"
        f"resource.setrlimit(resource.RLIMIT_FSIZE, (1000, {resource.RLIM_INFINITY}))\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "write_rows(frame, pathlib.Path(sys.argv[1]))\n"
    )
    for name in ("f.parquet", "f.csv"):
        done = subprocess.run(  # noqa: S603 - this interpreter, with the script above
            [sys.executable, "-c", script, str(tmp_path / name)], capture_output=True, text=True, check=False
        )
        assert "OutputError" in done.stderr, done.stderr
        assert "cannot be written" in done.stderr
    assert list(tmp_path.iterdir()) == []
