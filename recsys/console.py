"""What every command does alike: errors on one screen, exit statuses 0 / 1 / 2, progress, JSON for programs."""

from __future__ import annotations

import contextlib
import datetime as dt
import errno
import gc
import re
import signal
import sys
from collections.abc import Callable, Iterator
from enum import Enum
from types import FrameType
from typing import Any, Final, NoReturn

import msgspec
import typer
from rich.console import Console
from rich.markup import escape

from recsys.errors import RecsysError, UsageError

_INTERRUPTED: Final = 130  # 128 + SIGINT, as shells expect
_NOTHING_LEFT: Final = "Interrupted; nothing half-written was left behind."
_MENDS: Final = {errno.ENOSPC: "Free some space", errno.EDQUOT: "Free some space"}

screen = Console(stderr=True, highlight=False, soft_wrap=True)


def new_app(help_text: str) -> typer.Typer:
    """A command with our defaults: no traceback that shows local variables, no completion to install."""
    return typer.Typer(
        help=help_text,
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode="markdown",
    )


def run(load: Callable[[], typer.Typer], name: str) -> NoReturn:
    """Run a command to its end and exit: 0 done, 1 failed, 2 called wrongly.

    Args:
        load: Imports the command; that takes a second or two, and an interrupt then is one message too.
        name: What it is called.
    """
    before = signal.signal(signal.SIGTERM, _interrupt)  # so that what is half-written goes then, too
    try:
        _run(load, name)
    finally:
        signal.signal(signal.SIGTERM, before)  # whoever runs it inside another program keeps that program's answer


def fail(message: str, status: int) -> NoReturn:
    """Say what went wrong on standard error and exit."""
    screen.print(f"[bold red]Error[/]: {escape(message)}")
    sys.exit(status)


def warn(message: str) -> None:
    """Say what may be wrong, and go on."""
    screen.print(f"[bold yellow]Warning[/]: {escape(message)}")


def say(message: str) -> None:
    """Say what was done, on standard error: standard output belongs to results."""
    screen.print(escape(message))


def print_json(document: object) -> None:
    """Print one line of JSON on standard output, for a program to read."""
    sys.stdout.write(msgspec.json.encode(document, order="deterministic").decode() + "\n")
    sys.stdout.flush()


@contextlib.contextmanager
def step(label: str) -> Iterator[Callable[[str], None]]:
    """Show that a step is under way, and how far it is when told; silent when standard error is not a terminal."""
    if not screen.is_terminal:
        yield lambda _: None
        return
    with screen.status(escape(label)) as status:
        yield lambda progress: status.update(escape(f"{label}: {progress}"))
    screen.print(f"[green]✓[/] {escape(label)}")


def parse_day(text: str, *, option: str, latest: dt.date | None = None) -> dt.date:
    """A day given on the command line, as YYYY-MM-DD, and not after `latest`."""
    try:
        day = dt.date.fromisoformat(text)
    except ValueError:
        raise UsageError("is not a date", where=option, mend="Write it as YYYY-MM-DD") from None
    if latest is not None and day > latest:
        raise UsageError("lies in the future", where=option, mend="Name a day that has been")
    return day


def today() -> dt.date:
    """Today in UTC. Commands pass it down: nothing below a command reads a clock."""
    return dt.datetime.now(dt.UTC).date()


def now() -> dt.datetime:
    """This instant in UTC, to the second. As `today`, for commands only."""
    return dt.datetime.now(dt.UTC).replace(microsecond=0)


def _run(load: Callable[[], typer.Typer], name: str) -> NoReturn:
    gc.disable()  # what is imported stays: looking through it for what does not takes a seventh of the time
    try:
        app = load()
    except ModuleNotFoundError as error:
        fail(f"{error.name} is not installed here. Install the requirements of this stage, as README says.", 1)
    except KeyboardInterrupt:
        fail(_NOTHING_LEFT, _INTERRUPTED)
    gc.freeze()
    gc.enable()
    try:
        status = app(prog_name=name, standalone_mode=False)
    except RecsysError as error:
        fail(str(error), error.exit_status)
    except typer.TyperException as error:
        _called_wrongly(error, name)
    except (KeyboardInterrupt, typer.Abort):
        status = _INTERRUPTED
    except BrokenPipeError:
        sys.stderr.close()  # the reader went away, as `head` does
        sys.exit(1)
    except OSError as error:
        place = f"{error.filename}: " if isinstance(error.filename, str) else ""
        mend = _MENDS.get(error.errno or 0, "Check that this user may read and write there")
        fail(f"{place}{error.strerror or type(error).__name__}. {mend}.", 1)
    if status == _INTERRUPTED:  # typer, too, answers an interrupt with this
        fail(_NOTHING_LEFT, _INTERRUPTED)
    sys.exit(status if isinstance(status, int) else 0)


def _interrupt(_: int, __: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt


def _called_wrongly(error: typer.TyperException, name: str) -> NoReturn:
    said = _without_values(error)
    if not said:  # nothing was asked for, and the help has been printed
        sys.exit(UsageError.exit_status)
    context = getattr(error, "ctx", None)
    fail(f"{said}. See {context.command_path if context else name} --help.", UsageError.exit_status)


def _without_values(error: typer.TyperException) -> str:
    """The message without anything that was typed in a value's place: it may have been an identifier."""
    parameter = getattr(error, "param", None)
    if isinstance(error, typer.BadParameter) and parameter is not None:
        label = parameter.opts[0] if parameter.opts else parameter.name
        if type(error).__name__ == "MissingParameter":
            return f"{label} is missing"
        refused = re.search(r" (is not readable|is not writable)\.?$", error.message)
        return f"{label} {refused[1]} by this user" if refused else f"{label} has an unfit value{_allowed(parameter)}"
    message = re.sub(r" \(.*", "", error.format_message(), flags=re.DOTALL)
    message = re.sub(r"'(?!-)[^']*'|:? --?[^\s:]*[^a-z0-9\s:.-]\S*", "", message).strip().rstrip(".")
    return re.sub(r"\s+", " ", message)


def _allowed(parameter: Any) -> str:  # noqa: ANN401 - typer's own class of parameters is not public
    """The choices or the range, which are ours and may be said."""
    kind = parameter.type_descriptor.annotation
    if isinstance(kind, type) and issubclass(kind, Enum):
        return f"; it is one of {', '.join(str(choice.value) for choice in kind)}"
    limits = (("at least", parameter.min), ("at most", parameter.max))
    bounds = [f"{word} {limit}" for word, limit in limits if limit is not None]
    return f"; it is {' and '.join(bounds)}" if bounds else ""
