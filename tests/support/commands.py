"""Running the real commands as processes of their own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import typer


def run(module: str, *arguments: object, stdin: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
    """Run `python -m module arguments…` to its end."""
    return subprocess.run(  # noqa: S603 - our own commands, with arguments that the tests wrote
        [sys.executable, "-m", module, *map(str, arguments)],
        input=stdin,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
        env={**os.environ, "NO_COLOR": "1", "COLUMNS": "200", **environment},
    )


def succeeded(module: str, *arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
    """As `run`, for what has to succeed before anything can be tested; else an error that says what it said."""
    done = run(module, *arguments, **environment)
    if done.returncode:
        raise RuntimeError(f"{module} {arguments[0]}: {done.stderr}")
    return done


def in_process(app: typer.Typer, *arguments: object) -> None:
    """Run a command in this process: its errors are raised as they are, and so is an interrupt.

    Typer answers one with a status, as if the command were done: a test that is told to end would find nothing written.
    """
    if app([*map(str, arguments)], standalone_mode=False):
        raise KeyboardInterrupt


def assert_clear_failure(done: subprocess.CompletedProcess[str], *parts: str, status: int = 1) -> None:
    """The command failed with one message that holds `parts`, and no traceback."""
    assert done.returncode == status, done.stderr
    assert "Traceback" not in done.stderr
    assert done.stderr.count("Error: ") == 1, done.stderr
    for part in parts:
        assert part in done.stderr, done.stderr


def no_leftovers(folder: Path) -> bool:
    """Whether no file that is written beside its place was left behind."""
    return not [path for path in folder.rglob(".*") if path.is_file() or path.is_dir()]
