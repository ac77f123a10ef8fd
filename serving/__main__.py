"""`recsys-serve`, and `python -m serving`."""

from __future__ import annotations

from recsys import console
from serving.cli import app


def main() -> None:
    """Run the command line."""
    console.run(app, "recsys-serve")


if __name__ == "__main__":
    main()
