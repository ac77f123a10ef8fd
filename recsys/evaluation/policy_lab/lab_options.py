"""What the commands of the policy lab share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from recsys.console import warn
from recsys.evaluation.inputs import OpenShop
from recsys.policy import Policy, load_policy, place

LabPolicy = Annotated[Path, typer.Argument(help="The policy.")]
Horizon = Annotated[int, typer.Option("--horizon", min=1, max=3650, help="Days from --as-of on to judge lists by.")]
LabSeed = Annotated[int, typer.Option("--seed", min=0, help="Of the intervals' resamples.")]
Demographics = Annotated[
    Path, typer.Option("--demographics", help="Who belongs to which group: an evaluation set, for measuring only.")
]


def read_policy(shop: OpenShop, path: Path) -> Policy:
    """Read a policy; warn of what in it matches nothing."""
    policy = load_policy(path)
    for warning in place(policy, shop.catalogue).warnings:
        warn(f"{warning}.")
    return policy
