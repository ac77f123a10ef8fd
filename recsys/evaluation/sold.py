"""What is sold, as where the bundle serves: placed by today's catalogue, without what must not be learned from."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from recsys.contracts.catalogue import CATALOGUE
from recsys.history import ItemIndex
from recsys.model_items import catalogue_map
from recsys.policy import Unlearned, read_unlearned
from recsys.scorer import Scorer


@dataclass(frozen=True, slots=True)
class Sold:
    """What is known of items beside the bundle.

    Args:
        catalogue: In its contract; None: only items that the bundle knows are placed.
        unlearned: What the policy lets nobody learn from.
    """

    catalogue: pl.DataFrame | None = None
    unlearned: Unlearned = field(default_factory=Unlearned)

    @classmethod
    def read(cls, catalogue: Path | None, guards: Path | None) -> Sold:
        """Read it; `unlearned.warnings` says what in the policy matches nothing.

        Raises:
            ContractError: The catalogue breaks its contract.
            PolicyError: The policy cannot be read, or says something impossible.
            UsageError: There is a policy and no catalogue.
        """
        placed = None if catalogue is None else CATALOGUE.read(catalogue)
        return cls(placed, read_unlearned(guards, placed))

    def codes(self, scorer: Scorer, index: ItemIndex) -> NDArray[np.int32]:
        """int32 [len(index)]: the model item of each item, -1 for none, and for what must not be learned from."""
        level = scorer.bundle.manifest.level
        codes = scorer.codes(index, None if self.catalogue is None else catalogue_map(self.catalogue, level))
        codes[index.encode_known(self.unlearned.items)] = -1
        return codes


AS_THE_BUNDLE_KNOWS: Final = Sold()
