"""Options that several commands have."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from serving.settings import ENVIRONMENT_PREFIX

State = Annotated[
    str,
    typer.Option(
        "--state",
        envvar=f"{ENVIRONMENT_PREFIX}STATE",  # a URL may hold a password, and every process sees the command line
        help="What is remembered of people: sqlite:///PATH or postgresql://USER@HOST/DATABASE.",
    ),
]
Receipt = Annotated[Path, typer.Option("--out", help="Where the receipt for the custodian goes.")]
Json = Annotated[bool, typer.Option("--json", help="Print the result as one line of JSON.")]
