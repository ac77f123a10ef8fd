"""`recsys-pseudonymize`, also as `python -m pseudonymize`."""

from __future__ import annotations

from typing import NoReturn

import typer

from recsys.console import run


def main() -> NoReturn:
    """Run the command line and exit."""
    run(_load, "recsys-pseudonymize")


def _load() -> typer.Typer:
    from pseudonymize.cli import app  # noqa: PLC0415 - so that an interrupt while it loads is one message, too

    return app


if __name__ == "__main__":
    main()
