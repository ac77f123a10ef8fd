"""What the commands about decisions read first: bundle, policy, catalogue, offers, and the people."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from recsys.bundle import load_bundle
from recsys.console import step, warn
from recsys.contracts.catalogue import CATALOGUE
from recsys.contracts.offers import OFFERS
from recsys.errors import UsageError
from recsys.evaluation.population import Population, read_population
from recsys.evaluation.source import read_source
from recsys.fresh_statistics import read_fresh_statistics
from recsys.offer_book import OfferBook, open_offer_book
from recsys.policy import Policy, load_policy
from recsys.recommender import Recommender
from recsys.scorer import Scorer
from recsys.two_bundles import TwoBundles


@dataclass(frozen=True, slots=True)
class Shop:
    """Where the files of a shop lie.

    Args:
        bundle: The model.
        trust: Who must have signed it.
        guards: The policy.
        catalogue: What is sold.
        offers: What may be sent.
    """

    bundle: Path
    trust: Path
    guards: Path
    catalogue: Path
    offers: Path

    def recommender(self) -> Recommender:
        """Read it all; warn of what in the policy matches nothing."""
        policy = load_policy(self.guards)
        opened = self.open()
        return Recommender(opened.scorer, opened.book(policy))

    def deciding(
        self, challenger: Path | None, statistics: Path | None, *, latest: dt.date
    ) -> Recommender | TwoBundles:
        """As `recommender`, with the other bundle where the policy has a trial.

        Args:
            challenger: The other bundle.
            statistics: Item statistics fresher than the first bundle's own.
            latest: The last day that they may be of.

        Raises:
            ContractError: The statistics are not this bundle's, or look ahead.
            UsageError: The policy has a trial, and no other bundle is named; or the other way round.
        """
        stands = self.recommender()
        if statistics is not None:
            fresh = read_fresh_statistics(statistics, stands.scorer.bundle, latest=latest)
            stands = stands.refreshed(fresh.table)
        trial = stands.book.policy.trial
        if (trial is None) != (challenger is None):
            what = (
                "is needed: the policy has a [trial]" if challenger is None else "is named, and the policy has no trial"
            )
            raise UsageError(
                what, where="--challenger", mend="Decide with the bundles and the policy that serve together"
            )
        if challenger is None:
            return stands
        return TwoBundles(stands, Recommender(Scorer(load_bundle(challenger, trust=self.trust)), stands.book))

    def open(self) -> OpenShop:
        """Read all but the policy."""
        scorer = Scorer(load_bundle(self.bundle, trust=self.trust))
        with step("Reading catalogue and offers"):
            return OpenShop(scorer, OFFERS.read(self.offers), CATALOGUE.read(self.catalogue))


@dataclass(frozen=True, slots=True)
class OpenShop:
    """A shop as read: what any policy may be laid over.

    Args:
        scorer: Of the bundle.
        offers: In the offers contract.
        catalogue: In the catalogue contract.
    """

    scorer: Scorer
    offers: pl.DataFrame
    catalogue: pl.DataFrame

    def book(self, policy: Policy) -> OfferBook:
        """The offers as a policy sees them; warn of what in it matches nothing."""
        with step("Opening the offers"):
            book = open_offer_book(self.offers, self.catalogue, policy)
        for warning in book.warnings:
            warn(f"{warning}.")
        return book


@dataclass(frozen=True, slots=True)
class People:
    """Where the files about people lie."""

    purchases: Path
    subjects: Path
    state: Path | None

    def read(self, *, today: dt.date) -> Population:
        """Read them all."""
        with step("Reading purchases and subjects"):
            return read_population(read_source(self.purchases, today=today), self.subjects, self.state)


def check_days(recommender: Recommender | TwoBundles, as_of: dt.date) -> None:
    """Warn of a bundle that has seen what comes after the decision."""
    bundles = [recommender] if isinstance(recommender, Recommender) else [recommender.stands, recommender.challenger]
    for each in bundles:
        until = each.scorer.bundle.manifest.data.until
        if until > as_of:
            warn(
                f"A bundle was trained on days before {until}, which lies after {as_of}: do not judge these decisions."
            )
