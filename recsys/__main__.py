"""`recsys-evaluate`, as `python -m recsys`."""

from __future__ import annotations

from recsys.cli import app
from recsys.console import run


def main() -> None:
    """Run the command line and exit."""
    run(app, "recsys-evaluate")


if __name__ == "__main__":
    main()
