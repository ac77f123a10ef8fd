"""The options that several commands of `recsys-train` share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final

import typer

from training.levels import LevelChoice

Purchases = Annotated[Path, typer.Option("--purchases", help="A purchases file, a release's folder or a dataset")]
Catalogue = Annotated[
    Path | None, typer.Option("--catalogue", help="What the items are; without it, items as they are")
]
Subjects = Annotated[
    Path | None,
    typer.Option("--subjects", help="Who agreed to training; without it, as a dataset says, or everyone"),
]
Guards = Annotated[Path | None, typer.Option("--guards", help="The policy that says what is not learned from")]
Until = Annotated[
    str | None,
    typer.Option("--until", help="Use nothing dated on or after this day; or a file with the columns subject, day"),
]
Level = Annotated[LevelChoice, typer.Option("--level", help="What is learned: items, or their category")]
LARGEST_SEED: Final = 2**31 - 1

Seed = Annotated[int, typer.Option("--seed", min=0, max=LARGEST_SEED, help="Same data, trials and seed, same result")]
Models = Annotated[Path, typer.Option("--models", help="Where bundles live, as PATH/NAME/VERSION")]
Bundle = Annotated[Path, typer.Option("--bundle", help="models/NAME (its current version), or models/NAME/VERSION")]
Trust = Annotated[Path, typer.Option("--trust", help="The public key that must have signed it")]
Json = Annotated[bool, typer.Option("--json", help="Print one line of JSON for a program")]
