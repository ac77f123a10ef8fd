"""What the studies of the model share: rankers learned from earlier windows of Complete Journey, judged on a later one.

Everything lies before the test window of the results: the judged four weeks begin on 2017-10-30. The recipe is the
default one, on fewer examples and passes, so that a study takes minutes.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from benchmarks.complete_journey import complete_journey
from benchmarks.made_up import bundle_of
from recsys.contracts.manifest import Level
from recsys.evaluation.intervals import bootstrap_means
from recsys.history import ItemIndex, day_number, purchase_days
from recsys.scorer import Scorer
from recsys.statistics import statistics_of
from training.blend import Blend
from training.categories import categories_of
from training.features.assemble import Lens, Seen
from training.judging import Quality, Scored, quality
from training.learning import fewer, ranker_rows
from training.profiles import MIN_BUYERS, Effort
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
        return cls.on(Bought.at(level).world(), learned=learned, judged=judged)

    @classmethod
    def on(cls, world: World, *, learned: int = LEARNED, judged: int = JUDGED) -> Study:
        """The same, of this world."""
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

    def served(self, ranker: Ranker) -> Scorer:
        """The graph that a fit would write, with the statistics of the first judged day."""
        record = self.world.record
        statistics = statistics_of(self.world.log, self.judged.start, min_buyers=MIN_BUYERS)
        made = bundle_of(self.lens, ranker, "study")
        return Scorer(replace(made, vocabulary=record.vocabulary, statistics=statistics))

    def there(self) -> NDArray[np.bool_]:
        """Bool [M]: what may be listed."""
        return self.world.there(self.judged.start)

    def judge(self, scores: NDArray[np.floating], some: NDArray[np.int64] | None = None) -> Quality:
        """NDCG@10 of scores [E, M] of the judged (of `some` of them); what was bought before is what really was."""
        examples = self.judged if some is None else self.judged.take(some)
        return quality([scored(self.world, examples, scores, self.there())])

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


@dataclass(frozen=True)
class Bought:
    """What was bought until the end, at a level.

    Args:
        daily: `subject, item, day, quantity`.
        vocabulary: What at least five households bought.
        categories: int64 [M].
    """

    daily: pl.DataFrame
    vocabulary: ItemIndex
    categories: NDArray[np.int64]

    @classmethod
    def at(cls, level: Level) -> Bought:
        """Read it."""
        purchases, catalogue = complete_journey()
        if level is Level.TYPE:
            placed = purchases.join(catalogue.select("item", "category"), on="item")
            purchases = placed.select("subject", pl.col("category").alias("item"), "day", "quantity")
        daily = purchase_days(purchases, until=END)
        vocabulary = items_with_buyers(daily, min_buyers=MIN_BUYERS)
        return cls(daily, vocabulary, categories_of(vocabulary, catalogue, level))

    def world(self, subjects: pl.Series | None = None) -> World:
        """What all households bought, or some; the vocabulary is the same."""
        daily = self.daily if subjects is None else self.daily.filter(pl.col("subject").is_in(subjects.to_list()))
        record = Record.of(daily, self.vocabulary, self.categories)
        return World.of(record, time_scale(record, day_number(END)), MIN_BUYERS)


def scored(world: World, examples: Examples, scores: NDArray[np.floating], there: NDArray[np.bool_]) -> Scored:
    """Scores [E, M] of examples of a world, for `training.judging`; `there`, bool [M], may be listed."""
    histories = world.histories(examples.subject, examples.day)
    relevant = np.zeros((len(examples), len(there)), np.bool_)
    relevant[examples.targets.owners, examples.targets.values] = True
    bought = np.zeros((len(examples), len(there) + 1), np.bool_)
    np.put_along_axis(bought, histories.items, values=True, axis=1)
    return scores, relevant & there, bought[:, :-1], np.broadcast_to(there, relevant.shape)


def paired(one: NDArray[np.float64], other: NDArray[np.float64]) -> str:
    """Cells of a table: means over subjects, the other minus the one with its 95 % interval, the same in percent."""
    difference = bootstrap_means(np.stack([other - one], axis=1), np.random.default_rng(0))[0]
    interval = f"{difference.mean:+.4f} [{difference.low:+.4f}, {difference.high:+.4f}]"
    return f"{one.mean():.4f} | {other.mean():.4f} | {interval} | {difference.mean / one.mean():+.1%}"


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
