"""The policy's structure: every key that a policy file may have, and its bounds. Strict: nothing else is accepted."""

from __future__ import annotations

import hashlib
from enum import StrEnum
from typing import Annotated

import msgspec

Days = Annotated[int, msgspec.Meta(ge=1, le=3650)]
Count = Annotated[int, msgspec.Meta(ge=1, le=1000)]
Depth = Annotated[int, msgspec.Meta(ge=1, le=10)]
Share = Annotated[float, msgspec.Meta(ge=0, le=1)]
Lifting = Annotated[float, msgspec.Meta(ge=-1000, le=1000)]
Groups = Annotated[tuple[str, ...], msgspec.Meta(min_length=1)]


class UnknownCategory(StrEnum):
    """What happens to an offer whose items the catalogue cannot place."""

    WITHHOLD = "withhold"
    ALLOW = "allow"


class Scope(StrEnum):
    """Which purchases count together: of the same item, of the same category path in the group, of the whole group."""

    ITEM = "item"
    CATEGORY = "category"
    GROUP = "group"


class CapScope(StrEnum):
    """What exposures are counted together."""

    OFFER = "offer"
    CATEGORY = "category"
    CHANNEL = "channel"
    OVERALL = "overall"


class ExplorationKind(StrEnum):
    """How a list is drawn."""

    OFF = "off"
    PLACKETT_LUCE = "plackett_luce"
    EPSILON = "epsilon"


class _Table(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A table of the file."""


class Group(_Table, frozen=True, kw_only=True):
    """Things that are sensitive in the same way.

    `categories` holds paths or parts of them ("BEERS/ALES", "GROCERY / BEERS/ALES"), in upper or lower case.
    `article9` says which special category of GDPR Art. 9 it tells of; it is documentation. `learn = false`: purchases
    count for the guards and for nothing else. `name = true`: may be named in a reason or a segment's label, and
    stand in a list of what everyone buys.
    """

    description: str = ""
    article9: str = ""
    categories: tuple[str, ...] = ()
    items: tuple[str, ...] = ()
    learn: bool = True
    name: bool = False


class OnlyIfPurchased(_Table, frozen=True, kw_only=True):
    """Offer the groups only to those who bought from them on `min_days` distinct days within `within_days`."""

    groups: Groups
    min_days: Count
    within_days: Days
    level: Scope = Scope.GROUP


class PastPurchaseTrap(_Table, frozen=True, kw_only=True):
    """Withhold, and do not score by, what was bought on fewer than `min_days` days or is `overdue` by its own rhythm.

    What was bought on fewer than `min_days` days opens no gate either.
    """

    groups: Groups
    min_days: Count = 2
    overdue: Annotated[float, msgspec.Meta(ge=1, le=1000)] = 3.0
    level: Scope = Scope.CATEGORY


class CoolDown(_Table, frozen=True, kw_only=True):
    """Do not offer what was bought within the last `days` days.

    What `categories` and `items` name is one unnamed group of the rule, beside its `groups`.
    """

    groups: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    items: tuple[str, ...] = ()
    days: Days
    level: Scope = Scope.CATEGORY


class Fatigue(_Table, frozen=True, kw_only=True):
    """Let an offer rest for `rest_days` once it was shown `after` times in a row without a response.

    An exposure counts as ignored `answer_hours` after it happened, or as soon as it is reported to be.
    """

    after: Count = 3
    rest_days: Days = 30
    answer_hours: Annotated[int, msgspec.Meta(ge=0, le=8760)] = 0


class Cap(_Table, frozen=True, kw_only=True):
    """Show at most `max` times within the last `hours` hours, counted per offer, category, channel or overall.

    `depth`: for `per = "category"`, how many parts of the category path make the key.
    """

    per: CapScope
    max: Count
    hours: Annotated[int, msgspec.Meta(ge=1, le=87600)]
    depth: Depth = 2


class Diversity(_Table, frozen=True, kw_only=True):
    """At most `max` offers of one list share the first `depth` parts of a category path."""

    max: Count
    depth: Depth = 2


class Holdout(_Table, frozen=True, kw_only=True):
    """Shares of people who get nothing, or popular offers, so that uplift can be measured. The rest is personal."""

    salt: Annotated[str, msgspec.Meta(min_length=8)]
    empty: Share = 0.05
    popular: Share = 0.05


class Trial(_Table, frozen=True, kw_only=True):
    """A trial of another bundle: the share of those with a list of their own whom the challenger decides for.

    Salt and share name the trial: a change of either begins another one, which draws its own lots.
    """

    salt: Annotated[str, msgspec.Meta(min_length=8)]
    challenger: Share = 0.5

    @property
    def trial_id(self) -> str:
        """What decisions and states call it: 8 hexadecimal digits."""
        return hashlib.sha256(f"{self.challenger!r}\0{self.salt}".encode()).hexdigest()[:8]


class Lift(_Table, frozen=True, kw_only=True):
    """Add `by` to the score of the offers that exactly one of the four lists names."""

    offers: tuple[str, ...] = ()
    campaigns: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    by: Lifting


class Boosts(_Table, frozen=True, kw_only=True):
    """What a category manager adds to scores: lifts, and a weight of offers' value; in sum within ± `max`."""

    max: Annotated[float, msgspec.Meta(ge=0, le=1000)] = 0.5
    value_weight: Lifting = 0.0
    lift: tuple[Lift, ...] = ()


class Exploration(_Table, frozen=True, kw_only=True):
    """How much is left to chance, among what is allowed."""

    kind: ExplorationKind = ExplorationKind.OFF
    temperature: Annotated[float, msgspec.Meta(ge=1e-6, le=1000)] = 0.1
    epsilon: Share = 0.05


class PolicyDocument(_Table, frozen=True, kw_only=True):
    """The whole file."""

    version: Annotated[int, msgspec.Meta(ge=1, le=1)]
    name: str = ""
    unknown_category: UnknownCategory = UnknownCategory.WITHHOLD
    groups: dict[str, Group] = {}
    never: tuple[str, ...] = ()
    adults_only: tuple[str, ...] = ()
    only_if_purchased: tuple[OnlyIfPurchased, ...] = ()
    past_purchase_trap: tuple[PastPurchaseTrap, ...] = ()
    cool_down: tuple[CoolDown, ...] = ()
    fatigue: Fatigue | None = None
    cap: tuple[Cap, ...] = ()
    diversity: tuple[Diversity, ...] = ()
    holdout: Holdout | None = None
    trial: Trial | None = None
    boosts: Boosts = Boosts()
    exploration: Exploration = Exploration()


class Policy(PolicyDocument, frozen=True, kw_only=True):
    """A policy that was read and checked. `sha256` is that of the file's bytes and stands in every decision.

    `path` and `text` are the file's, so that whatever is found wrong later can name line and column.
    """

    sha256: str
    path: str = ""
    text: str = ""

    @property
    def unlearned(self) -> tuple[str, ...]:
        """The groups that no model and no statistic may be made from: `never`, and those with `learn = false`."""
        return (*self.never, *(name for name, group in self.groups.items() if not group.learn))

    @property
    def policy_version(self) -> str:
        """What decisions call this policy: the name and the start of the hash."""
        return f"{self.name or 'policy'}@{self.sha256[:12]}"
