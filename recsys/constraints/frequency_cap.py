"""Frequency cap: not more than so many exposures in a rolling window, this list included."""

from __future__ import annotations

import datetime as dt
from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from recsys.constraints.tally import Limit
from recsys.contracts.decision import DecisionRequest
from recsys.contracts.state import Exposure, Reservation, State
from recsys.offer_paths import OfferKeys
from recsys.policy.document import Cap, CapScope

Aged = tuple[dt.timedelta, Exposure | Reservation]

_NOW = dt.timedelta(0)


@dataclass(frozen=True, slots=True)
class CapLadder:
    """All caps that count the same, without those that another one outdoes: who allows more looks back further.

    Args:
        per: What is counted together.
        depth: Per category, how many parts of a path; else 0.
        windows: How long each looks back, ascending.
        most: What each allows, ascending.
    """

    per: CapScope
    depth: int
    windows: tuple[dt.timedelta, ...]
    most: tuple[int, ...]

    @classmethod
    def all_of(cls, caps: Iterable[Cap]) -> list[CapLadder]:
        """The ladders of a policy's caps."""
        rungs: dict[tuple[CapScope, int], list[Cap]] = {}
        for cap in sorted(caps, key=lambda one: (one.max, -one.hours)):
            own = rungs.setdefault((cap.per, cap.depth if cap.per is CapScope.CATEGORY else 0), [])
            if not own or cap.hours > own[-1].hours:
                own.append(cap)
        return [
            cls(*about, tuple(dt.timedelta(hours=cap.hours) for cap in own), tuple(cap.max for cap in own))
            for about, own in rungs.items()
        ]

    def room(self, ages: Iterable[dt.timedelta]) -> int:
        """How many more all of the caps allow of a key that was shown so long ago, each time; may be below 0.

        An exposure counts if now - `hours` < its time <= now: the window is half-open, rolls, and knows no midnight.
        Of the caps that look back beyond the n-th newest, the one with the shortest window allows the least more.
        """
        room = self.most[0]
        for number, age in enumerate(sorted(ages), start=1):
            reaching = bisect_right(self.windows, age)
            if reaching == len(self.windows):
                break
            room = min(room, self.most[reaching] - number)
        return room


@dataclass(frozen=True, slots=True)
class CapLimit:
    """The caps of a ladder as one limit on the offers of a book.

    Args:
        limit: As much as the strictest of them allows of a key.
        ladder: The caps.
        positions: The position of each offer id.
    """

    limit: Limit
    ladder: CapLadder
    positions: Mapping[str, int]

    def within(self, shown: Sequence[Aged]) -> list[Aged]:
        """What of it the longest window holds."""
        longest = self.ladder.windows[-1]
        return [one for one in shown if one[0] < longest]

    def used(self, shown: Sequence[Aged], request: DecisionRequest) -> dict[int, int]:
        """What is used up of the limit by what the longest window holds, as far as offers of the book use the same."""
        if len(self.ladder.most) == 1:
            counts: dict[int, int] = {}
            for key, _ in self._keyed(shown, request):
                counts[key] = counts.get(key, 0) + 1
            return counts
        ages: dict[int, list[dt.timedelta]] = {}
        for key, age in self._keyed(shown, request):
            ages.setdefault(key, []).append(age)
        return {key: self.limit.most - self.ladder.room(each) for key, each in ages.items()}

    def _keyed(self, shown: Sequence[Aged], request: DecisionRequest) -> list[tuple[int, dt.timedelta]]:
        """Each use of a key, and how long ago."""
        if self.ladder.per is CapScope.OFFER:
            position = self.positions.get
            return [(key, age) for age, one in shown if (key := position(one.offer_id)) is not None]
        if self.ladder.per is CapScope.CATEGORY:
            code = self.limit.keys.of_category
            return [(key, age) for age, one in shown for key in {*map(code, one.categories)} if key is not None]
        overall = self.ladder.per is CapScope.OVERALL
        return [(0, age) for age, one in shown if overall or one.channel == request.channel]


def frequency_cap(ladder: CapLadder, keys: OfferKeys, positions: Mapping[str, int]) -> CapLimit:
    """The caps of a ladder over the offers' keys.

    A reservation counts until it expires. It and an exposure count with the categories that they carry, as they were
    when the offer was shown. Per category, an offer has the first `depth` parts of each of its items' paths as keys,
    and none if no item has a category. Source: Buchbinder et al., Frequency Capping in Online Advertising (WADS 2011);
    that windows roll is ours.
    """
    return CapLimit(Limit("frequency_cap", ladder.most[0], keys), ladder, positions)


def aged(state: State, utc: dt.datetime) -> list[Aged]:
    """What was shown until a time in UTC, and how long ago; and what is reserved, as if just shown."""
    shown: list[Aged] = [(utc - one.at, one) for one in state.exposures if one.at <= utc]
    return shown + [(_NOW, one) for one in state.reservations if one.expires > utc]
