"""How commands fail, tried on a real one: a message, a status, and nothing of what was typed in a value's place."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable

import pytest
import typer
from support.commands import in_process

from recsys.console import new_app, run

COMMAND = """
import datetime as dt
from typing import Annotated
import typer
from recsys import console
from recsys.errors import ContractError

app = console.new_app("Tries.")

@app.command()
def go(count: Annotated[int, typer.Option(min=1)], day: Annotated[str, typer.Option()] = "2017-01-01") -> None:
    console.parse_day(day, option="--day")
    if count == 1:
        raise ContractError("broke", where="file.csv, row 3", mend="Mend it")
    if count == 2:
        raise KeyboardInterrupt
    if count == 4:
        raise PermissionError(13, "Permission denied", "some/file")
    console.print_json({"day": dt.date(2017, 1, 1), "count": count})

@app.command()
def stay() -> None: ...

console.run(lambda: app, "tries")
"""
RAW = "anna.berg@example.org"


def tried(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603 - this interpreter, with the script above
        [sys.executable, "-c", COMMAND, *arguments], capture_output=True, text=True, check=False
    )


def test_results_go_to_standard_output_as_one_line() -> None:
    done = tried("go", "--count", "3")
    assert (done.returncode, done.stdout) == (0, '{"count":3,"day":"2017-01-01"}\n')


def test_a_failure_is_one_message_with_status_1() -> None:
    done = tried("go", "--count", "1")
    assert (done.returncode, done.stderr) == (1, "Error: file.csv, row 3: broke. Mend it.\n")


def test_a_stage_that_is_not_installed_says_so() -> None:
    script = COMMAND.replace("lambda: app", "lambda: __import__('some_package')")
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)  # noqa: S603 - as above
    assert done.returncode == 1
    assert done.stderr.startswith("Error: some_package is not installed here.")
    assert "Traceback" not in done.stderr


def test_a_place_that_this_user_may_not_enter_is_one_message_too() -> None:
    done = tried("go", "--count", "4")
    assert done.returncode == 1
    assert done.stderr.startswith("Error: some/file: Permission denied.")
    assert "Traceback" not in done.stderr


def test_an_interrupt_is_not_a_traceback() -> None:
    done = tried("go", "--count", "2")
    assert (done.returncode, done.stderr) == (130, "Error: Interrupted; nothing half-written was left behind.\n")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_is_an_interrupt_even_while_the_command_loads(number: signal.Signals) -> None:
    slow = COMMAND.replace("run(lambda: app,", "run(lambda: print(1, flush=True) or __import__('time').sleep(60),")
    process = subprocess.Popen([sys.executable, "-c", slow], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)  # noqa: S603 - this interpreter
    with process as started:
        assert started.stdout is not None
        started.stdout.readline()
        started.send_signal(number)
        _, said = started.communicate(timeout=30)
    assert (process.returncode, said) == (130, "Error: Interrupted; nothing half-written was left behind.\n")


def of_one(command: Callable[[], None]) -> typer.Typer:
    app = new_app("Tries.")
    app.command()(command)
    return app


def test_inside_another_program_a_command_leaves_its_answer_to_signals(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else pytest, told to end once a test had run a command, would interrupt whatever runs by then, and go on."""
    monkeypatch.setattr(sys, "argv", ["tries"])
    before, meanwhile = signal.getsignal(signal.SIGTERM), []
    with pytest.raises(SystemExit):
        run(lambda: of_one(lambda: meanwhile.append(signal.getsignal(signal.SIGTERM))), "tries")
    assert meanwhile != [before]
    assert signal.getsignal(signal.SIGTERM) is before


def test_an_interrupted_command_is_not_taken_for_done() -> None:
    def interrupted() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        in_process(of_one(interrupted))


def test_without_arguments_the_help_is_all_that_is_said() -> None:
    done = tried()
    assert done.returncode == 2
    assert "Usage: tries" in done.stdout + done.stderr
    assert "Error" not in done.stderr


def test_an_unfit_value_is_told_the_range_and_the_help_of_its_own_command() -> None:
    done = tried("go", "--count", "-7")
    assert done.stderr == "Error: --count has an unfit value; it is at least 1. See tries go --help.\n"


@pytest.mark.parametrize(
    "arguments",
    [
        ["go", "--count", RAW],
        ["go", "--count", "3", RAW],
        ["go", "--count", "3", "--day", RAW],
        ["go", "--count", "3", f"--{RAW}"],
        ["go", f"--count={RAW}"],
        ["go", "--count", "3", f"--day={RAW}"],
        [RAW],
        ["go"],
    ],
)
def test_wrong_use_is_status_2_and_repeats_nothing(arguments: list[str]) -> None:
    done = tried(*arguments)
    assert done.returncode == 2, done.stderr
    assert done.stderr.startswith("Error: ")
    assert "Traceback" not in done.stderr
    assert "anna" not in done.stderr + done.stdout
    assert "example" not in done.stderr + done.stdout
