"""A release that lies in a folder. Nothing in it is taken on trust: every file, column and cell is checked."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import polars as pl
import pyarrow as pa

from pseudonymize.gate.contract import checked
from pseudonymize.gate.lines import frames
from pseudonymize.gate.papers import REPORT_FILE, papers_of
from pseudonymize.gate.popularity import POPULARITY
from pseudonymize.gate.settings import ReleaseClass, Setting
from pseudonymize.gate.verdict import GATE_FILE, Verdict
from recsys.contracts.document import decode_document
from recsys.contracts.evaluation_sets import DEMOGRAPHICS, REDEMPTIONS
from recsys.contracts.purchases import PURCHASES
from recsys.contracts.release import RELEASE_FILE, Release
from recsys.contracts.subjects import SUBJECTS
from recsys.contracts.table import CONTRACT_KEY, Origin, TableContract, parquet_metadata
from recsys.contracts.token import DOMAIN_PATTERN, EPOCH_PATTERN, MEND, Lineage
from recsys.errors import ContractError
from recsys.files import sha256_of

_CONTRACTS: Final = {
    f"{contract.name}.parquet": contract for contract in (PURCHASES, SUBJECTS, REDEMPTIONS, DEMOGRAPHICS, POPULARITY)
}
_PAPERS: Final = frozenset({RELEASE_FILE, GATE_FILE, REPORT_FILE})
_TOKENS: Final = ("subject", "basket")
_INSIDE: Final = rf"s1\.{DOMAIN_PATTERN}\.{EPOCH_PATTERN}\."  # a token in a place where none belongs
_AGAIN: Final = "Make the release again"


@dataclass(frozen=True, slots=True)
class Finished:
    """A release in a folder.

    Args:
        folder: Where it lies.
        release: What `release.json` says; the files are those that it names.
        verdict: What the gate found when it was made; None where that is not known.
    """

    folder: Path
    release: Release
    verdict: Verdict | None

    @property
    def lineage(self) -> Lineage:
        """The domain and epoch of its tokens."""
        return Lineage(self.release.domain, self.release.epoch)

    @property
    def made(self) -> Setting | None:
        """How a release for a partner says it was generalised."""
        return self.verdict.made if self.verdict else None

    def tables(self, today: dt.date, *, names: Iterable[str] | None = None) -> Iterator[tuple[pl.DataFrame, Origin]]:
        """All rows of its files, or of those in `names`, some at a time, with their numbers.

        Raises:
            ContractError: Something in it is not as a contract has it.
            TokenError: A token of another domain or epoch, or in a place where none belongs.
        """
        for name in sorted(self.release.files if names is None else names):
            contract = _contract(self.folder / name)
            rows = 0
            for frame in _frames(self.folder / name):
                origin = Origin(name, pl.int_range(rows + 1, rows + 1 + frame.height, eager=True))
                rows += frame.height
                _check_tokens(frame, origin, self.lineage)
                yield checked(contract, frame, origin, today=today), origin
            if not rows:
                raise ContractError("the table has no rows", where=name, mend=_AGAIN)


def finished_in(folder: Path) -> Finished:
    """The release in a folder.

    Raises:
        ContractError: There is none, or its files are not those that it names.
    """
    path = folder / RELEASE_FILE
    if not path.is_file():
        raise ContractError("is not a release", where=str(folder), mend="Name the folder that `run` wrote")
    release = decode_document(path.read_bytes(), Release, where=str(path))
    for name in sorted(file.name for file in folder.iterdir()):
        if name not in release.files and name not in _PAPERS:
            raise ContractError("is not named by release.json", where=str(folder / name), mend="Take it away")
    for name, digest in sorted(release.files.items()):
        if name not in _CONTRACTS:
            raise ContractError("is no file of a release", where=str(folder / name), mend=_AGAIN)
        _check_hash(folder / name, digest)
    return Finished(folder, release, _verdict(folder, release))


def _verdict(folder: Path, release: Release) -> Verdict | None:
    """What the gate found, in the folder or beside it; bound by its hash, since it says how a release is attacked."""
    inside, outside = (papers_of(folder, whom).gate for whom in ReleaseClass)
    path = inside if inside.is_file() or release.gate is None else outside
    if not path.is_file():
        return None
    if release.gate is None:
        raise ContractError("is not bound by release.json", where=str(path), mend=_AGAIN)
    _check_hash(path, release.gate)
    return decode_document(path.read_bytes(), Verdict, where=str(path))


def _check_hash(path: Path, digest: str) -> None:
    if not path.is_file() or sha256_of(path) != digest:
        raise ContractError("is not as release.json names it", where=str(path), mend=_AGAIN)


def _contract(path: Path) -> TableContract:
    """The contract of a file whose columns are typed as it says, so that no type hides a text from the scan."""
    contract = _CONTRACTS[path.name]
    try:
        types, metadata = pl.read_parquet_schema(path), parquet_metadata(path)
    except (pl.exceptions.PolarsError, OSError):
        raise ContractError("cannot be read as Parquet", where=path.name, mend=_AGAIN) from None
    if set(metadata) - {CONTRACT_KEY}:
        raise ContractError("holds metadata of its own", where=path.name, mend=_AGAIN)
    if metadata.get(CONTRACT_KEY, f"{contract.name}/{contract.version}") != f"{contract.name}/{contract.version}":
        raise ContractError(f"does not hold {contract.name}/{contract.version}", where=path.name, mend=_AGAIN)
    for column in contract.columns:
        if types.get(column.name, column.dtype) != column.dtype:
            what = f"column {column.name!r} has type {types[column.name]}"
            raise ContractError(what, where=path.name, mend=f"Write it as {column.dtype}")
    return replace(contract, unique=()) if contract.unique else contract  # that is for whole tables, not for batches


def _frames(path: Path) -> Iterator[pl.DataFrame]:
    try:
        yield from frames(path)
    except (pa.ArrowException, pl.exceptions.PolarsError, OSError):
        raise ContractError("cannot be read as Parquet", where=path.name, mend=_AGAIN) from None


def _check_tokens(frame: pl.DataFrame, origin: Origin, lineage: Lineage) -> None:
    """Every token is of the release's own lineage, and stands where tokens belong."""
    for name, dtype in frame.schema.items():
        cells = frame[name].list.join("\n") if dtype == pl.List(pl.String) else frame[name]
        if name in _TOKENS:
            foreign = ~cells.str.starts_with(lineage.prefix).fill_null(value=True)
            origin.refuse(foreign, name, f"holds something else than a token of {lineage}", mend=MEND)
        elif cells.dtype == pl.String:
            hidden = cells.str.contains(_INSIDE).fill_null(value=False)
            origin.refuse(hidden, name, "holds a token where none belongs", mend="Drop that column first")
