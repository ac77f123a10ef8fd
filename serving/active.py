"""What decides: a bundle, a policy, offers and a catalogue, read together and put in place together, or not at all."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

import numpy as np
import polars as pl

from recsys.bundle import Bundle, load_bundle
from recsys.contracts.catalogue import CATALOGUE
from recsys.contracts.decision import DecisionRequest
from recsys.contracts.offers import OFFERS
from recsys.contracts.state import State
from recsys.contracts.subjects import Purpose, channel_purpose
from recsys.errors import BundleError, ContractError, PolicyError
from recsys.files import sha256_of
from recsys.fresh_statistics import FreshStatistics, read_fresh_statistics
from recsys.history import Histories, day_number
from recsys.offer_book import OfferBook, open_offer_book
from recsys.policy import Policy, load_policy, never_items
from recsys.recommender import Recommender
from recsys.registry import CURRENT_FILE, resolve_bundle
from recsys.scorer import Scorer
from recsys.two_bundles import TwoBundles
from serving.settings import Settings

STATISTICS: Final = "statistics"
MAX_KNOWN_OFFERS: Final = 100_000  # offers of the past whose categories are remembered


class Role(StrEnum):
    """What a bundle is for."""

    BUNDLE = "bundle"
    CHALLENGER = "challenger"
    SHADOW = "shadow"


_READ_ANEW: Final = frozenset({"policy_sha256", "offers_sha256", "catalogue_sha256"})  # by a reload only
_VERSIONS: Final = {
    Role.BUNDLE: "model_version",
    Role.CHALLENGER: "challenger_version",
    Role.SHADOW: "shadow_version",
}  # what `versions_of` calls them


@dataclass(frozen=True, slots=True)
class Active:
    """Everything that a request is answered with; a request keeps the one that it began with.

    Args:
        recommender: The bundle over the offer book.
        statistics: Item statistics fresher than the bundle's own; None: its own.
        shadow: Another bundle over the same book.
        challenger: Another one, which decides for its share of people while the policy has a trial.
        offers: In the offers contract, for simulations.
        sold: The catalogue's items.
        never: Items that are offered to nobody.
        categories: For each offer, the category paths of its items: of today's offers, and of those of the past that
            this process saw, since exposures may be reported late.
        unspoken: Offers with an item that is never offered: nothing is kept of them.
        digests: SHA-256 of the files of offers, catalogue and statistics.
        loaded_at: When it was put in place.
    """

    recommender: Recommender
    statistics: FreshStatistics | None
    shadow: Recommender | None
    challenger: Recommender | None
    offers: pl.DataFrame
    sold: frozenset[str]
    never: frozenset[str]
    categories: Mapping[str, tuple[str, ...]]
    unspoken: frozenset[str]
    digests: Mapping[str, str]
    loaded_at: dt.datetime

    @property
    def decides(self) -> Recommender | TwoBundles:
        """Whatever decides for a person, by the person's arm."""
        return self.recommender if self.challenger is None else TwoBundles(self.recommender, self.challenger)

    def over(self, book: OfferBook) -> Active:
        """The same bundles over another book: another policy's."""
        stands, challenger = self.recommender.scorer, self.challenger and Recommender(self.challenger.scorer, book)
        return dataclasses.replace(self, recommender=Recommender(stands, book), challenger=challenger)

    @property
    def book(self) -> OfferBook:
        """The offers."""
        return self.recommender.book

    @property
    def policy(self) -> Policy:
        """The guards' policy."""
        return self.recommender.book.policy

    @property
    def statistics_as_of(self) -> dt.date:
        """The day before which popularity was counted."""
        if self.statistics is not None:
            return self.statistics.as_of
        return self.recommender.scorer.bundle.manifest.data.until

    @property
    def model_version(self) -> str:
        """The bundle's name."""
        return self.recommender.scorer.bundle.model_version


def read_active(settings: Settings, now: dt.datetime, *, before: Active | None = None) -> Active:
    """Read and check everything anew.

    Args:
        settings: Where it lies.
        now: When.
        before: What is in place.

    Raises:
        RecsysError: Something of it cannot be used.
    """
    digests = _digests(settings)
    policy = pinned_policy(settings)
    bundle = load_bundle(settings.bundle, trust=settings.trust)
    statistics = _statistics(settings, bundle, now)
    scorer = Scorer(bundle, statistics=None if statistics is None else statistics.table)
    offers, catalogue = OFFERS.read(settings.offers), CATALOGUE.read(settings.catalogue)
    if _digests(settings) != digests or not _holds(settings.guards, policy):
        raise ContractError(
            "were changed while they were read", where="policy, offers, catalogue or statistics", mend="Load them again"
        )
    _check_trial(policy, settings)
    book = open_offer_book(offers, catalogue, policy)
    categories = {} if before is None else dict(before.categories)
    categories |= _categories(offers, catalogue)
    return Active(
        recommender=_warm(Recommender(scorer, book), now),
        statistics=statistics,
        shadow=_beside(settings.shadow, settings, book, now),
        challenger=_beside(settings.challenger, settings, book, now),
        offers=offers,
        sold=frozenset(catalogue["item"]),
        never=never_items(policy, catalogue),
        categories=dict(list(categories.items())[-MAX_KNOWN_OFFERS:]),
        unspoken=frozenset(offer_id for offer_id, never in zip(book.ids, book.never.tolist(), strict=True) if never),
        digests=digests,
        loaded_at=now,
    )


def with_bundle(active: Active, role: Role, settings: Settings, now: dt.datetime) -> Active:
    """The same offers, catalogue and policy, with the bundle that the role's `current` names now.

    Statistics that were counted for the bundle that stands do not stay for another.

    Raises:
        BundleError: It cannot be used.
    """
    recommender = Recommender(Scorer(load_bundle(followed(settings)[role], trust=settings.trust)), active.book)
    warm = _warm(recommender, now)
    if role is Role.CHALLENGER:
        return dataclasses.replace(active, challenger=warm, loaded_at=now)
    if role is Role.SHADOW:
        return dataclasses.replace(active, shadow=warm, loaded_at=now)
    digests = {name: digest for name, digest in active.digests.items() if name != STATISTICS}
    return dataclasses.replace(active, recommender=warm, statistics=None, digests=digests, loaded_at=now)


def with_statistics(active: Active, settings: Settings, now: dt.datetime) -> Active:
    """The same bundle, offers, catalogue and policy, with the item statistics that lie there now.

    Raises:
        ContractError: They cannot be used with this bundle.
    """
    digests = _digests(settings)
    statistics = _statistics(settings, active.recommender.scorer.bundle, now)
    if statistics is None:
        return active
    if _digests(settings) != digests:
        raise ContractError("was changed while it was read", where=str(settings.statistics), mend="Write it again")
    return dataclasses.replace(
        active,
        recommender=_warm(active.recommender.refreshed(statistics.table), now),
        statistics=statistics,
        digests={**active.digests, STATISTICS: digests[STATISTICS]},
        loaded_at=now,
    )


def versions_of(active: Active) -> dict[str, str]:
    """What it is, by name and hash."""
    every = {Role.BUNDLE: active.recommender, Role.CHALLENGER: active.challenger, Role.SHADOW: active.shadow}
    return {
        **{_VERSIONS[role]: one.scorer.bundle.model_version for role, one in every.items() if one is not None},
        "policy_version": active.policy.policy_version,
        "policy_sha256": active.policy.sha256,
        "statistics_as_of": active.statistics_as_of.isoformat(),
        **{f"{name}_sha256": digest for name, digest in active.digests.items()},
    }


def file_digests(settings: Settings) -> dict[str, str]:
    """Of `versions_of`, what can be told without reading further: the hashes of the files that lie there."""
    policy = {"policy": sha256_of(settings.guards)} if settings.guards.is_file() else {}
    return {f"{name}_sha256": digest for name, digest in {**policy, **_digests(settings)}.items()}


def announced_names(settings: Settings) -> frozenset[str]:
    """Of `versions_of`, what all workers have in common because it is announced: what none of them follows by itself.

    Policy, offers and catalogue; and a bundle where no `current` names its version.
    """
    fixed = (role for role, path in followed(settings).items() if not (path / CURRENT_FILE).is_file())
    return _READ_ANEW | {_VERSIONS[role] for role in fixed}


def statistics_mark(settings: Settings) -> tuple[int, ...] | None:
    """What changes when another file takes the place of the statistics; None where there is none."""
    return None if settings.statistics is None else _mark(settings.statistics)


def marks(settings: Settings) -> tuple[tuple[int, ...] | None, ...]:
    """What changes, nearly always, when any of the files does that a reload or a `current` is about."""
    beside = (settings.guards, settings.offers, settings.catalogue, settings.trust)
    pointers = (path / CURRENT_FILE for path in followed(settings).values())
    return (statistics_mark(settings), *(_mark(path) for path in (*beside, *pointers)))


def _mark(path: Path) -> tuple[int, ...] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns


def followed(settings: Settings) -> dict[Role, Path]:
    """Where the bundles lie, by what they are for."""
    paths = {Role.BUNDLE: settings.bundle, Role.CHALLENGER: settings.challenger, Role.SHADOW: settings.shadow}
    return {role: path for role, path in paths.items() if path is not None}


def named_version(bundle: Path) -> str:
    """The version that `current` names, without reading the bundle.

    Raises:
        BundleError: It names none that is there.
    """
    try:
        return resolve_bundle(bundle).name
    except OSError as error:
        raise BundleError(
            f"cannot be followed ({error.strerror})", where=str(bundle), mend="Promote a version again"
        ) from None


def pinned_policy(settings: Settings) -> Policy:
    """The policy, if it is the one that the settings pin.

    Raises:
        PolicyError: It cannot be used, or is another.
    """
    policy = load_policy(settings.guards)
    if settings.policy_sha256 not in {None, policy.sha256}:
        raise PolicyError(
            "is not the policy whose SHA-256 is pinned",
            where=str(settings.guards),
            mend="Put the pinned one back, or pin this one in policy_sha256",
        )
    return policy


def _holds(path: Path, policy: Policy) -> bool:
    """Whether the file still is that policy."""
    return path.is_file() and sha256_of(path) == policy.sha256


def _check_trial(policy: Policy, settings: Settings) -> None:
    if policy.trial is not None and settings.challenger is None:
        raise PolicyError(
            "has a trial, and no other bundle is named",
            where=str(settings.guards),
            mend="Name the challenger with --challenger, or take [trial] out",
        )


def _statistics(settings: Settings, bundle: Bundle, now: dt.datetime) -> FreshStatistics | None:
    if settings.statistics is None:
        return None
    tomorrow = now.date() + dt.timedelta(days=1)  # counted in the evening, as of the end of the day
    return read_fresh_statistics(settings.statistics, bundle, latest=tomorrow)


def _beside(path: Path | None, settings: Settings, book: OfferBook, now: dt.datetime) -> Recommender | None:
    """Another bundle over the same book."""
    if path is None:
        return None
    return _warm(Recommender(Scorer(load_bundle(path, trust=settings.trust)), book), now)


def _warm(recommender: Recommender, at: dt.datetime) -> Recommender:
    """Decide once for nobody, with a history of one purchase: the first decision sets the runtime up."""
    nobody, book = "nobody", recommender.book
    item, day = np.zeros(1, np.int32), np.array([day_number(at.date())], np.int32)
    history = Histories((nobody,), np.array([0, 1]), item, day, np.ones(1, np.float32), np.ones(1, np.int32))
    channel = "warm-up"
    state = State(consents=frozenset({Purpose.PROFILING, channel_purpose(channel)}))
    request = DecisionRequest(subject=nobody, channel=channel)
    if len(book.index):
        recommender.decide([request], history, [state], at=at, rng=np.random.default_rng(0))
    return recommender


def _categories(offers: pl.DataFrame, catalogue: pl.DataFrame) -> dict[str, tuple[str, ...]]:
    path_of = dict(catalogue.select("item", "category").drop_nulls().iter_rows())
    rows = zip(offers["offer_id"], offers["items"].to_list(), strict=True)
    return {
        offer_id: tuple(dict.fromkeys(path_of[item] for item in items if item in path_of)) for offer_id, items in rows
    }


def _digests(settings: Settings) -> dict[str, str]:
    """Empty for a file that is not there: reading it says so better."""
    files = {"offers": settings.offers, "catalogue": settings.catalogue, STATISTICS: settings.statistics}
    return {name: sha256_of(path) for name, path in files.items() if path is not None and path.is_file()}
