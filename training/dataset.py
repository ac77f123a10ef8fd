"""What may be learned from: the purchases of those who agreed, without what is offered to nobody, before a day."""

from __future__ import annotations

import datetime as dt
import hashlib
from dataclasses import dataclass, replace
from pathlib import Path

import polars as pl

from recsys.amounts import amount
from recsys.contracts.catalogue import CATALOGUE
from recsys.contracts.dataset import Dataset as PurchasesDataset
from recsys.contracts.dataset import dataset_in, named_files
from recsys.contracts.manifest import TrainingData
from recsys.contracts.purchases import PURCHASES, purchase_files, read_purchases
from recsys.contracts.release import RELEASE_FILE, release_beside
from recsys.contracts.subjects import SUBJECTS, Purpose, consenting, subjects_file
from recsys.contracts.token import Lineage, column_lineage, lineages_of
from recsys.errors import ContractError, TokenError
from recsys.files import sha256_of
from recsys.history import netted
from recsys.policy import Unlearned, read_unlearned
from recsys.returns import Netted
from training.ends import Ends


@dataclass(frozen=True, slots=True)
class Sources:
    """The files to learn from.

    Args:
        purchases: A file, or the folder of a release or dataset.
        subjects: Who agreed to what; None: as a dataset of purchases says; where it says nothing or there is none, the
            caller's word that everyone agreed to everything.
        catalogue: None: no category is known.
        guards: The policy that says what is not learned from (`never`, `learn = false`); needs the catalogue.
    """

    purchases: Path
    subjects: Path | None = None
    catalogue: Path | None = None
    guards: Path | None = None


@dataclass(frozen=True, slots=True)
class Dataset:
    """Purchases that may be learned from.

    Args:
        bought: Purchase days net of returns, and what was taken back on which day.
        catalogue: In its contract, without what is not learned from.
        lineage: Where the purchases came from.
        warnings: What the person at the terminal should know.
    """

    bought: Netted
    catalogue: pl.DataFrame | None
    lineage: TrainingData
    warnings: tuple[str, ...]

    @property
    def daily(self) -> pl.DataFrame:
        """`subject, item, day, …`, one row each: what was not taken back."""
        return self.bought.daily


@dataclass(frozen=True, slots=True)
class Learnable:
    """All that may be learned from, whatever its day.

    Args:
        sources: Where it came from, with the subjects file of a dataset.
        purchases: In its contract, line by line.
        catalogue: In its contract, without what is not learned from.
        tokens_of: The one domain and epoch.
        unlearned: What was left out.
        fingerprint: Of the files.
        release: What a manifest calls the release or dataset; None: there is none.
        doubts: What the person at the terminal should know about that.
    """

    sources: Sources
    purchases: pl.DataFrame
    catalogue: pl.DataFrame | None
    tokens_of: Lineage
    unlearned: Unlearned
    fingerprint: str
    release: str | None
    doubts: tuple[str, ...]

    def before(self, until: dt.date | Ends | None) -> Dataset:
        """What lies before a day; see `read_dataset`.

        Raises:
            ContractError: Too little is left to learn from.
        """
        ends, day = (until, until.last) if isinstance(until, Ends) else (None, until)
        allowed = self.purchases if ends is None else ends.cut(self.purchases, self.tokens_of)
        if day is not None:
            allowed = allowed.filter(pl.col("day") < day)
        days = allowed["day"].n_unique()
        left = amount(days, "day of purchases is", "days of purchases are")
        if days < 2:  # noqa: PLR2004 - on one day nothing comes before anything else
            raise ContractError(
                f"{left} left to learn from, after consent, guards and --until",
                where=str(self.sources.purchases),
                mend="Learning takes two days at least; for a ranking that is worth something, months",
            )
        first, last = allowed.select(first=pl.col("day").min(), last=pl.col("day").max()).row(0)
        lineage = TrainingData(
            fingerprint=self.fingerprint,
            release=self.release,
            domain=self.tokens_of.domain,
            epoch=self.tokens_of.epoch,
            first_day=first,
            until=day or last + dt.timedelta(days=1),
            until_file=ends.sha256 if ends is not None else None,
            subjects=allowed["subject"].n_unique(),
            purchases=len(allowed),
            consent=Purpose.TRAINING.value if self.sources.subjects else "assumed",
            guard_policy=self.unlearned.policy,
        )
        return Dataset(netted(allowed), self.catalogue, lineage, self.unlearned.warnings + self.doubts)


def read_dataset(sources: Sources, *, until: dt.date | Ends | None, today: dt.date) -> Dataset:
    """Read, check and filter.

    Args:
        sources: The files.
        until: Nothing dated on or after this day is used; or a day for each subject, and no other subjects; None: the
            day after the last purchase that may be used.
        today: Purchases after this day are refused.

    Raises:
        ContractError: A file breaks its contract, or too little is left to learn from.
    """
    return read_learnable(sources, today=today).before(until)


def dataset_of(purchases: pl.DataFrame, catalogue: pl.DataFrame | None = None) -> Dataset:
    """Purchases that are at hand already, on the caller's word that everyone in them agreed to be learned from.

    Args:
        purchases: In the purchases contract.
        catalogue: In the catalogue contract; None: no category is known.

    Raises:
        ContractError: A frame breaks its contract, or too little is left to learn from.
    """
    where = "purchases"
    lines = PURCHASES.checked(purchases, where=where)
    return Learnable(
        sources=Sources(Path(where)),
        purchases=lines,
        catalogue=None if catalogue is None else CATALOGUE.checked(catalogue, where="catalogue"),
        tokens_of=column_lineage(lines["subject"], where=where),
        unlearned=Unlearned(),
        fingerprint=hashlib.sha256(lines.write_csv().encode()).hexdigest(),
        release=None,
        doubts=(),
    ).before(None)


def read_learnable(sources: Sources, *, today: dt.date) -> Learnable:
    """Read and check, for what cuts it at several days.

    Args:
        sources: The files.
        today: Purchases after this day are refused.

    Raises:
        ContractError: A file breaks its contract.
    """
    held = dataset_in(sources.purchases)
    if held is not None:
        sources = _with_its_subjects(sources, held)
    purchases = read_purchases(sources.purchases, today=today)
    if held is not None:
        _check_one_epoch(purchases, sources.purchases)
    tokens_of = column_lineage(purchases["subject"], where=str(sources.purchases))
    catalogue = CATALOGUE.read(sources.catalogue) if sources.catalogue else None
    unlearned = read_unlearned(sources.guards, catalogue)
    allowed = unlearned.without(_agreed(purchases, sources, tokens_of))
    if catalogue is not None:
        catalogue = unlearned.without(catalogue)
    release, doubts = _release(sources.purchases) if held is None else (_state(sources.purchases, held), ())
    return Learnable(sources, allowed, catalogue, tokens_of, unlearned, _fingerprint(sources), release, doubts)


def _agreed(purchases: pl.DataFrame, sources: Sources, tokens_of: Lineage) -> pl.DataFrame:
    """The purchases of those who agreed to training; missing means no."""
    if sources.subjects is None:
        return purchases
    subjects = SUBJECTS.read(sources.subjects)
    if column_lineage(subjects["subject"], where=str(sources.subjects)) != tokens_of:
        raise TokenError(
            f"the tokens are of another domain or epoch than those of the purchases ({tokens_of})",
            where=str(sources.subjects),
            mend="Give the subjects of the same release",
        )
    return purchases.filter(pl.col("subject").is_in(consenting(subjects, Purpose.TRAINING).to_list()))


def _with_its_subjects(sources: Sources, held: PurchasesDataset) -> Sources:
    """A dataset brings its own subjects file, unless the caller names another."""
    return replace(sources, subjects=sources.subjects or subjects_file(sources.purchases, held))


def _check_one_epoch(purchases: pl.DataFrame, where: Path) -> None:
    """Refuse tokens of two epochs: one person would count as two, also where k buyers are asked for."""
    epochs = sorted({lineage.epoch for lineage in lineages_of(purchases["subject"])})
    if len(epochs) > 1:
        raise TokenError(
            f"holds tokens of epochs {' and '.join(epochs)}: one person would count as two",
            where=str(where),
            mend="Apply the custodian's map first: recsys-train rekey",
        )


def _state(folder: Path, held: PurchasesDataset) -> str:
    """The dataset's fingerprint, once its files were found to be those that it names."""
    for path in named_files(folder, tuple(held.files)):
        if sha256_of(path) != held.files[path.name]:
            raise ContractError(
                "was changed since it was written",
                where=str(path),
                mend="Restore it; only `recsys-train` changes a dataset",
            )
    return held.fingerprint


def _release(purchases: Path) -> tuple[str | None, tuple[str, ...]]:
    """The hash of the `release.json` that describes these very files, and a warning where one describes others."""
    release = release_beside(purchases)
    if release is None:
        return None, ()
    folder = purchases if purchases.is_dir() else purchases.parent
    if any(release.files.get(file.name) != sha256_of(file) for file in purchase_files(purchases)):
        return None, (f"{folder / RELEASE_FILE} describes other purchases; the bundle will name no release",)
    return sha256_of(folder / RELEASE_FILE), ()


def _fingerprint(sources: Sources) -> str:
    """SHA-256 over the SHA-256 of each file of purchases, in the order of their names, and of the subjects file."""
    files = [*purchase_files(sources.purchases), *([sources.subjects] if sources.subjects else [])]
    return hashlib.sha256("\n".join(sha256_of(file) for file in files).encode()).hexdigest()
