"""`recsys-pseudonymize`, also as `python -m pseudonymize`."""

from __future__ import annotations

import os
from typing import Final, NoReturn

import typer

from recsys.console import run

# What a batch used, the next one uses again: by themselves, the allocators of pyarrow and polars give it back to the
# system and ask for it anew, which is a tenth of a run. They read this when they are loaded.
_ALLOCATORS: Final = {
    "ARROW_DEFAULT_MEMORY_POOL": "system",
    "_RJEM_MALLOC_CONF": "dirty_decay_ms:10000,muzzy_decay_ms:-1",
}


def main() -> NoReturn:
    """Run the command line and exit."""
    run(_load, "recsys-pseudonymize")


def _load() -> typer.Typer:
    for name, value in _ALLOCATORS.items():
        os.environ.setdefault(name, value)
    from pseudonymize.cli import app  # noqa: PLC0415 - so that an interrupt while it loads is one message, too

    return app


if __name__ == "__main__":
    main()
