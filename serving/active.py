"""What decides: a bundle, a policy, offers and a catalogue, read together and put in place together, or not at all."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
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
from recsys.registry import resolve_bundle
from recsys.scorer import Scorer
from serving.settings import Settings

_STATISTICS: Final = "statistics"
MAX_KNOWN_OFFERS: Final = 100_000  # offers of the past whose categories are remembered


@dataclass(frozen=True, slots=True)
class Active:
    """Everything that a request is answered with; a request keeps the one that it began with.

    Args:
        recommender: The bundle over the offer book.
        statistics: Item statistics fresher than the bundle's own; None: its own.
        shadow: Another bundle over the same book.
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
    offers: pl.DataFrame
    sold: frozenset[str]
    never: frozenset[str]
    categories: Mapping[str, tuple[str, ...]]
    unspoken: frozenset[str]
    digests: Mapping[str, str]
    loaded_at: dt.datetime

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
    if _digests(settings) != digests:
        raise ContractError(
            "were changed while they were read", where="offers, catalogue or statistics", mend="Load them again"
        )
    book = open_offer_book(offers, catalogue, policy)
    categories = {} if before is None else dict(before.categories)
    categories |= _categories(offers, catalogue)
    return Active(
        recommender=_warm(Recommender(scorer, book), now),
        statistics=statistics,
        shadow=_shadow(settings, book, now),
        offers=offers,
        sold=frozenset(catalogue["item"]),
        never=never_items(policy, catalogue),
        categories=dict(list(categories.items())[-MAX_KNOWN_OFFERS:]),
        unspoken=frozenset(offer_id for offer_id, never in zip(book.ids, book.never.tolist(), strict=True) if never),
        digests=digests,
        loaded_at=now,
    )


def with_bundle(active: Active, settings: Settings, now: dt.datetime) -> Active:
    """The same offers, catalogue and policy, with the bundle that `current` names now and that bundle's own statistics.

    Raises:
        BundleError: It cannot be used.
    """
    recommender = Recommender(Scorer(load_bundle(settings.bundle, trust=settings.trust)), active.book)
    digests = {name: digest for name, digest in active.digests.items() if name != _STATISTICS}
    return dataclasses.replace(
        active, recommender=_warm(recommender, now), statistics=None, digests=digests, loaded_at=now
    )


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
        digests={**active.digests, _STATISTICS: digests[_STATISTICS]},
        loaded_at=now,
    )


def statistics_mark(settings: Settings) -> tuple[int, ...] | None:
    """What changes when another file takes the place of the statistics; None where there is none."""
    if settings.statistics is None:
        return None
    try:
        found = settings.statistics.stat()
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns


def named_version(settings: Settings) -> str:
    """The version that `current` names, without reading the bundle.

    Raises:
        BundleError: It names none that is there.
    """
    try:
        return resolve_bundle(settings.bundle).name
    except OSError as error:
        raise BundleError(
            f"cannot be followed ({error.strerror})", where=str(settings.bundle), mend="Promote a version again"
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


def _statistics(settings: Settings, bundle: Bundle, now: dt.datetime) -> FreshStatistics | None:
    if settings.statistics is None:
        return None
    tomorrow = now.date() + dt.timedelta(days=1)  # counted in the evening, as of the end of the day
    return read_fresh_statistics(settings.statistics, bundle, latest=tomorrow)


def _shadow(settings: Settings, book: OfferBook, now: dt.datetime) -> Recommender | None:
    if settings.shadow is None:
        return None
    return _warm(Recommender(Scorer(load_bundle(settings.shadow, trust=settings.trust)), book), now)


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
    files = {"offers": settings.offers, "catalogue": settings.catalogue, _STATISTICS: settings.statistics}
    return {name: sha256_of(path) for name, path in files.items() if path is not None and path.is_file()}
