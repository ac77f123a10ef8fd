"""`recsys-pseudonymize`, and `python -m pseudonymize`."""

from __future__ import annotations

from pseudonymize.cli import app
from recsys import console


def main() -> None:
    """Run the command line."""
    console.run(app, "recsys-pseudonymize")


if __name__ == "__main__":
    main()
