"""Learning the ranker: rows from every block, each looked at through the factors of its own time.

Every example is learned from once more, as if hardly anything were known of them: where everyone who is learned
from has a long history, a ranker that never saw a short one ranks newcomers worse than popularity does (docs/adr/0025).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import numpy as np

from training.features.assemble import Lens
from training.profiles import Effort
from training.sampling import Rows, batches, drawn
from training.settings import Settings
from training.snapshot import World
from training.windows import Examples

LEAST: Final = 200  # rows that were bought, for a ranker to be worth learning
_KNOWN: Final = 32  # purchase days, fewer than
_LOOKS: Final = 2  # at each example: as it is, and as if it were a newcomer's
_BOUGHT: Final = 0.75  # of the rows that are kept, at most: what was not bought has to be seen, too


def ranker_rows(world: World, blocks: list[Examples], settings: Settings, effort: Effort, *, seed: int) -> Rows | None:
    """The rows of all blocks; None where hardly anything was bought next.

    Args:
        world: What was bought.
        blocks: The examples.
        settings: Of the factorization.
        effort: How many examples and rows.
        seed: Draws them.
    """
    rng = np.random.default_rng(seed)
    parts = []
    most = effort.rows // max(len(blocks), 1)
    for block in blocks:
        some = fewer(block, min(effort.learned, _enough(block, most)), rng)
        lens = world.lens(settings.factorization.estimator(seed), block.start, settings.factorization.half_life)
        parts += _rows_of(world, some, lens, most, rng)
    if sum(int(part.bought.sum()) for part in parts) < LEAST:
        return None
    return Rows.joined(parts)


def newcomers(examples: Examples, rng: np.random.Generator) -> Examples:
    """The examples, as they would have looked with 0 to 30 purchase days, small numbers more often."""
    known = np.exp(rng.uniform(0, np.log(_KNOWN), len(examples))).astype(np.int64) - 1
    return replace(examples, known=known)


def fewer(examples: Examples, most: int, rng: np.random.Generator) -> Examples:
    """At most so many examples, drawn at random."""
    if len(examples) <= most:
        return examples
    return examples.take(np.sort(rng.choice(len(examples), most, replace=False)))


def _enough(block: Examples, most: int) -> int:
    """How many examples do: what was bought next fills the rows that may be kept, to the share it may have of them."""
    return max(int(_BOUGHT * most * len(block) / (_LOOKS * max(len(block.targets.values), 1))), 1)


def _rows_of(world: World, some: Examples, lens: Lens, most: int, rng: np.random.Generator) -> list[Rows]:
    """Of a block, none or one. A function, so that no rows of one block are held while the next is looked at."""
    both = (some, newcomers(some, rng))
    parts = [drawn(batch, rng) for each in both for batch in batches(world, each, lens)]
    return [_thinned(parts, most, rng)] if parts else []


def _thinned(parts: list[Rows], most: int, rng: np.random.Generator) -> Rows:
    """At most so many rows. All of what was bought stays; the weights of the others make up for those left out.

    Where that alone would be too many, what stays is drawn from all rows alike.
    """
    bought = np.concatenate([part.bought for part in parts])
    surplus = len(bought) - most
    if surplus <= 0:
        return Rows.joined(parts)
    rest = np.flatnonzero(~bought)
    kept, heavier = np.zeros_like(bought), 1.0
    if surplus < len(rest):
        kept[bought], heavier = True, len(rest) / (len(rest) - surplus)
        kept[rng.choice(rest, len(rest) - surplus, replace=False)] = True
    else:
        kept[rng.choice(len(bought), most, replace=False)] = True
    ends = np.cumsum([len(part.bought) for part in parts])[:-1]
    return Rows.joined([part.some(rows, heavier) for part, rows in zip(parts, np.split(kept, ends), strict=True)])
