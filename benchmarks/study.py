"""What the studies of the model share: rankers learned from earlier windows of Complete Journey, judged on a later one.

Everything lies before the test window of the results: the judged four weeks begin on 2017-10-30. The recipe is the
default one, on fewer examples and passes, so that a study takes minutes.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from benchmarks.complete_journey import complete_journey
from recsys.contracts.manifest import Level
from recsys.history import day_number, purchase_days
from training.blend import Blend
from training.categories import categories_of
from training.features.assemble import Lens, Seen
from training.judging import Quality, Scored, quality
from training.learning import fewer, ranker_rows
from training.profiles import Effort
from training.ranker import Ranker
from training.record import Record
from training.sampling import Rows
from training.settings import FactorizationSettings, RankerSettings, Settings
from training.snapshot import World
from training.vocabulary import items_with_buyers
from training.windows import Examples, examples_of, time_scale

END: Final = dt.date(2017, 11, 27)
SETTINGS: Final = Settings(
    factorization=FactorizationSettings(regularization=0.75),  # what privacy asks for on this data
    ranker=RankerSettings(seeds=2, epochs=6, resample=200_000, distilled=False),
)
LEARNED, ROWS, JUDGED, TOGETHER = 800, 1_500_000, 600, 32


@dataclass(frozen=True)
class Study:
    """Rows to learn from, and histories to judge on.

    Args:
        world: What was bought.
        rows: Of six windows.
        judged: Examples of the seventh, the newest.
        lens: Of what lies before them.
    """

    world: World
    rows: Rows
    judged: Examples
    lens: Lens

    @classmethod
    def of(cls, level: Level = Level.TYPE, *, learned: int = LEARNED, judged: int = JUDGED) -> Study:
        """Learn factors and draw rows, from so many examples a window."""
        world = _world(level)
        *earlier, newest = examples_of(world.record, day_number(END))
        effort = Effort(SETTINGS, trials=0, judged=judged, learned=learned, rows=ROWS)
        rows = ranker_rows(world, earlier, SETTINGS, effort, seed=0)
        if rows is None:
            raise ValueError("hardly anything was bought next")
        lens = world.lens(SETTINGS.factorization.estimator(0), newest.start, None)
        return cls(world, rows, fewer(newest, judged, np.random.default_rng(0)), lens)

    def ranker(self, hidden: slice | None = None) -> Ranker:
        """A ranker; it does not see the features in `hidden`."""
        return SETTINGS.ranker.estimator(0).fit(
            _without(self.rows.features, hidden), self.rows.bought, self.rows.weight
        )

    def taught(self) -> Ranker:
        """One network, as a fit makes it: taught by several and by the factorization."""
        ranker = SETTINGS.ranker.estimator(0)
        ranker.distilled = True
        return ranker.fit(self.rows.features, self.rows.bought, self.rows.weight, blend=Blend.of(self.rows))

    def there(self) -> NDArray[np.bool_]:
        """Bool [M]: what may be listed."""
        return self.world.there(self.judged.start)

    def judge(self, scores: NDArray[np.floating], some: NDArray[np.int64] | None = None) -> Quality:
        """NDCG@10 of scores [E, M] of the judged (of `some` of them); what was bought before is what really was."""
        examples = self.judged if some is None else self.judged.take(some)
        return quality(self._parts(examples, scores))

    def seen(self, newest: int | None = None) -> Iterator[Seen]:
        """The judged, a few at once; of each only the newest purchase days where a number is given."""
        items = self.world.items(self.judged.start)
        for start in range(0, len(self.judged), TOGETHER):
            some = self.judged.take(np.arange(start, min(start + TOGETHER, len(self.judged))))
            known = None if newest is None else np.full(len(some), newest)
            yield Seen.of(self.world.histories(some.subject, some.day, known), items, self.lens)

    def scores(self, ranker: Ranker, newest: int | None = None, hidden: slice | None = None) -> NDArray[np.float64]:
        """float64 [E, M]: log odds of all items."""
        return np.concatenate([log_odds(ranker, _without(features(seen), hidden), seen) for seen in self.seen(newest)])

    def _parts(self, examples: Examples, scores: NDArray[np.floating]) -> Iterator[Scored]:
        there = self.there()
        histories = self.world.histories(examples.subject, examples.day)
        relevant = np.zeros((len(examples), len(there)), np.bool_)
        relevant[examples.targets.owners, examples.targets.values] = True
        bought = np.zeros((len(examples), len(there) + 1), np.bool_)
        np.put_along_axis(bought, histories.items, values=True, axis=1)
        yield scores, relevant & there, bought[:, :-1], np.broadcast_to(there, relevant.shape)


def features(seen: Seen) -> NDArray[np.float32]:
    """float32 [B·M, features] of all pairs."""
    row, item = np.divmod(np.arange(len(seen.people) * len(seen.items)), len(seen.items))
    return seen.features(row, item)


def log_odds(ranker: Ranker, given: NDArray[np.float32], seen: Seen) -> NDArray[np.float64]:
    """float64 [B, M]."""
    return ranker.decision_function(given).reshape(len(seen.people), -1)


def _without(given: NDArray[np.float32], hidden: slice | None) -> NDArray[np.float32]:
    """The same; what is hidden says nothing."""
    if hidden is None:
        return given
    blinded = given.copy()
    blinded[:, hidden] = 0
    return blinded


def _world(level: Level) -> World:
    purchases, catalogue = complete_journey()
    if level is Level.TYPE:
        placed = purchases.join(catalogue.select("item", "category"), on="item")
        purchases = placed.select("subject", pl.col("category").alias("item"), "day", "quantity")
    daily = purchase_days(purchases, until=END)
    vocabulary = items_with_buyers(daily, min_buyers=5)
    record = Record.of(daily, vocabulary, categories_of(vocabulary, catalogue, level))
    return World.of(daily, record, time_scale(record, day_number(END)), 5)
