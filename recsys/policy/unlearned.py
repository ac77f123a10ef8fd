"""What a policy lets nobody learn from, for the commands that may be given one: `--guards`, with `--catalogue`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import polars as pl

from recsys.errors import UsageError
from recsys.policy.placement import place
from recsys.policy.reading import load_policy


@dataclass(frozen=True, slots=True)
class Unlearned:
    """Items whose purchases no model and no statistic may be made from: `never`, and groups with `learn = false`.

    Args:
        items: By name.
        policy: The policy's hash; None: there is none, and everything may be learned from.
        warnings: What in the policy matches nothing.
    """

    items: tuple[str, ...] = ()
    policy: str | None = None
    warnings: tuple[str, ...] = ()

    def without(self, rows: pl.DataFrame) -> pl.DataFrame:
        """The rows, of purchases or of a catalogue, whose `item` is none of these."""
        return rows.filter(~pl.col("item").is_in(self.items))


def read_unlearned(guards: Path | None, catalogue: pl.DataFrame | None) -> Unlearned:
    """Read a policy for what it lets nobody learn from.

    Args:
        guards: The policy; None: there is none.
        catalogue: In its contract.

    Raises:
        PolicyError: The policy cannot be read, or says something impossible.
        UsageError: There is a policy and no catalogue.
    """
    if guards is None:
        return Unlearned()
    if catalogue is None:
        raise UsageError("needs --catalogue, which says what the policy's categories hold", where="--guards")
    policy = load_policy(guards)
    placement = place(policy, catalogue)
    return Unlearned(tuple(sorted(placement.items_of(policy.unlearned))), policy.sha256, placement.warnings)
