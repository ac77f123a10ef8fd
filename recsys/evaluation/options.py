"""The options that the commands about decisions share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Bundle = Annotated[Path, typer.Option("--bundle", help="models/NAME (its current version), or models/NAME/VERSION.")]
Challenger = Annotated[
    Path | None, typer.Option("--challenger", help="The other bundle, where the policy has a [trial].")
]
Trust = Annotated[Path, typer.Option("--trust", help="The public key that must have signed the bundle.")]
Purchases = Annotated[Path, typer.Option("--purchases", help="Purchases: a file, or the folder of a release.")]
Subjects = Annotated[Path, typer.Option("--subjects", help="Who agreed to what.")]
CountedSubjects = Annotated[
    Path | None,
    typer.Option(
        "--subjects",
        help="Who agreed to training: item statistics count nobody else; without it, as a dataset says, or everyone.",
    ),
]
Guards = Annotated[Path, typer.Option("--guards", help="The policy.")]
Catalogue = Annotated[Path, typer.Option("--catalogue", help="What is sold.")]
Offers = Annotated[Path, typer.Option("--offers", help="What may be sent.")]
AsOf = Annotated[str, typer.Option("--as-of", help="The day to decide on, at 00:00 UTC; history is what lies before.")]
StateFile = Annotated[
    Path | None, typer.Option("--state", help='JSON lines {"subject": …, "state": {…}}; replaces what --subjects says.')
]
Channel = Annotated[str, typer.Option("--channel", help="Where the offers are to go; it needs consent.")]
Placement = Annotated[str | None, typer.Option("--placement", help="Where on the channel they are to stand.")]
Count = Annotated[int, typer.Option("--k", min=1, max=100, help="The length of a list.")]
Json = Annotated[bool, typer.Option("--json", help="Print the result as one line of JSON.")]
Statistics = Annotated[
    Path | None,
    typer.Option("--statistics", help="Fresh item statistics for the bundle, by `recsys-train statistics`."),
]
Seed = Annotated[int, typer.Option("--seed", min=0, help="Names the decisions, and draws what is left to chance.")]
Explain = Annotated[bool, typer.Option("--explain", help="Write withheld counts: they tell what people do not buy.")]
