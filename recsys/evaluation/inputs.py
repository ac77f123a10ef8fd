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
from recsys.evaluation.population import Population, read_population
from recsys.evaluation.source import read_source
from recsys.offer_book import OfferBook, open_offer_book
from recsys.policy import Policy, load_policy
from recsys.recommender import Recommender
from recsys.scorer import Scorer


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


def check_days(recommender: Recommender, as_of: dt.date) -> None:
    """Warn of a bundle that has seen what comes after the decision."""
    until = recommender.scorer.bundle.manifest.data.until
    if until > as_of:
        warn(f"The bundle was trained on days before {until}, which lies after {as_of}: do not judge these decisions.")
