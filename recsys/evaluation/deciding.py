"""What the commands about decisions read first: bundle, policy, catalogue, offers, and the people."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from pathlib import Path

from recsys.bundle import load_bundle
from recsys.console import step, warn
from recsys.contracts.catalogue import CATALOGUE
from recsys.contracts.offers import OFFERS
from recsys.evaluation.population import Population, read_population
from recsys.evaluation.source import read_source
from recsys.offer_book import open_offer_book
from recsys.policy import load_policy
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
        loaded = load_bundle(self.bundle, trust=self.trust)
        with step("Opening the offers"):
            book = open_offer_book(OFFERS.read(self.offers), CATALOGUE.read(self.catalogue), policy)
        for warning in book.warnings:
            warn(f"{warning}.")
        return Recommender(Scorer(loaded), book)


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
