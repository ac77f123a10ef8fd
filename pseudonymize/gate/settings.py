"""What the gate asks of a release: `[gate]` of a field policy. Strict, and every key has a default."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Final

import msgspec

from recsys.errors import PolicyError

_Share = Annotated[float, msgspec.Meta(gt=0, le=1)]
_Count = Annotated[int, msgspec.Meta(ge=1, le=1000)]
_Limit = Annotated[float, msgspec.Meta(gt=0, le=0.05)]
_Name = Annotated[str, msgspec.Meta(pattern=r"\w\W*\w")]  # an empty one would allow nothing that anybody meant
_PARTNER_K: Final = 5
_PARTNER_KNOWN: Final = 4


class ReleaseClass(StrEnum):
    """Whom a release is for."""

    INTERNAL = "internal"  # the retailer's own training and serving
    EXTERNAL = "external"  # a partner


class Classes(StrEnum):
    """What becomes of people whose attributes fewer than k share."""

    REPORT = "report"
    SUPPRESS = "suppress"  # their attributes are emptied, the most telling first, until k share what is left


class RareItems(StrEnum):
    """What becomes of purchases of items that fewer than k subjects bought."""

    REPORT = "report"
    DROP = "drop"
    MERGE = "merge"  # the item becomes the narrowest part of its category path that k bought; else it is dropped


class Days(StrEnum):
    """How exactly a purchase is dated, from the finest on."""

    DAY = "day"
    WEEK = "week"  # the Monday
    MONTH = "month"  # its first day
    NONE = "none"  # every purchase has the first day of the year of the earliest


class Level(StrEnum):
    """How exactly it is said what was bought, from the finest on. Above the item, a part of its category path."""

    ITEM = "item"
    TYPE = "type"  # the whole path, up to three parts of it
    CATEGORY = "category"  # the first two
    DEPARTMENT = "department"  # the first


class Keep(StrEnum):
    """Which of a subject's points stay; a point is a thing bought and its day, at the chosen level and exactness."""

    ALL = "all"
    LAST = "last"  # the `most` latest
    SAMPLE = "sample"  # `most` of them, drawn at random


PARTS: Final = {Level.TYPE: 3, Level.CATEGORY: 2, Level.DEPARTMENT: 1}


class Setting(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How far purchases are generalised: aggregation, truncation and sampling."""

    level: Level = Level.ITEM
    days: Days = Days.DAY
    keep: Keep = Keep.ALL
    most: Annotated[int, msgspec.Meta(ge=0, le=10_000)] = 0  # of keep = last and sample
    subjects: _Share = 1.0  # how many of the subjects, drawn at random

    def __str__(self) -> str:
        what = "every item" if self.level is Level.ITEM else f"its {self.level}"
        when = {Days.NONE: "no day", Days.DAY: "the day"}.get(self.days, f"the {self.days}")
        many = {Keep.ALL: "everything", Keep.LAST: f"the last {self.most}", Keep.SAMPLE: f"{self.most} at random"}
        share = "" if self.subjects == 1 else f", {self.subjects:.0%} of the subjects"
        return f"{what}, {when}, {many[self.keep]} of each subject{share}"


class External(Setting, frozen=True, forbid_unknown_fields=True):
    """`[gate.external]`: how a release for a partner is generalised, and what it must hold to."""

    limit: _Limit = 0.05  # of subjects that may be singled out, and of those that may be linked: a stricter one only
    apply: bool = False  # where the release is refused as it is: the gate's own proposal instead
    popularity: Level = Level.CATEGORY  # of the table of weekly buyers that goes with it

    @property
    def setting(self) -> Setting:
        """The part that says how far purchases are generalised."""
        return Setting(self.level, self.days, self.keep, self.most, self.subjects)


class GateSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`[gate]`."""

    k: _Count = 5  # people who share attributes; buyers of an item
    l: _Count = 2  # noqa: E741 - the literature's own name: distinct sensitive values among those who share attributes
    known: Annotated[int, msgspec.Meta(ge=1, le=20)] = 4  # points of a subject that an attacker knows
    classes: Classes = Classes.REPORT
    rare_items: RareItems = RareItems.REPORT
    days: Days = Days.DAY
    regions: tuple[Annotated[str, msgspec.Meta(pattern=r"^[A-Z]{2}$")], ...] = ()  # of phone numbers without +
    national_ids: tuple[str, ...] = ()  # schemes that are looked for in any way of writing, as python-stdnum names them
    allow: tuple[_Name, ...] = ()  # names that may stand in a text that passes: brands
    external: External = External()

    def check_for_partner(self) -> None:
        """Raise `PolicyError` where a release for a partner would be held to less than it must hold to."""
        for key, value, least in (("k", self.k, _PARTNER_K), ("known", self.known, _PARTNER_KNOWN)):
            if value < least:
                raise PolicyError(
                    f"is {value}: a release for a partner needs {least} at least",
                    where=f"gate.{key}",
                    mend="Give the partner's release a field policy of its own",
                )
