"""`recsys-train`, also as `python -m training`."""

from __future__ import annotations

from typing import NoReturn

from recsys.console import run
from training.cli import app


def main() -> NoReturn:
    """Run the command."""
    run(app, "recsys-train")


if __name__ == "__main__":
    main()
