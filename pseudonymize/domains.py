"""From tokens to tokens, without an identifier: to another domain, or to the next epoch. Only the custodian can.

A domain token is undone with its domain's key, which gives the root token back, and made anew with the other key. That
works as long as both stand on the same field root; otherwise it takes the raw files.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec
import polars as pl
import pyarrow.parquet as pq

from pseudonymize.distinct import spread
from pseudonymize.inputs import open_raw
from pseudonymize.keys import VaultError
from pseudonymize.links.linked import Linked
from pseudonymize.links.table import LINKS_LABEL, no_links, read_links
from pseudonymize.suppression import SUPPRESSION_LABEL, SuppressionList, read_list
from pseudonymize.tokens import domain_label, domain_tokens, roots_of, unwritten, written
from pseudonymize.vault import Vault
from pseudonymize.vault_record import EpochRecord, Status, VaultRecord
from recsys.contracts.rekey import REKEY_MAP, MapHeader, map_metadata
from recsys.contracts.table import CONTRACT_KEY, Origin, parquet_metadata
from recsys.contracts.token import (
    DOMAIN_PATTERN,
    EPOCH_PATTERN,
    MEND,
    TOKEN_PATTERN,
    Lineage,
    column_lineage,
    lineages_of,
)
from recsys.errors import ContractError, TokenError, UsageError
from recsys.files import replacing

_TOKEN_COLUMNS: Final = ("subject", "basket")
_LINEAGE: Final = rf"{DOMAIN_PATTERN}\.{EPOCH_PATTERN}"
_INSIDE: Final = rf"s1\.{_LINEAGE}\."  # a token in a place where none belongs


@dataclass(frozen=True, slots=True)
class Moved:
    """How many rows went to another domain, and how many stayed behind because their person was forgotten."""

    rows: int
    suppressed: int


class Mover:
    """Takes tokens of one domain and epoch to another that stands on the same field root.

    With `join`, what was released before a link becomes one person's; without, every token stays one token.
    """

    def __init__(self, vault: Vault, source: EpochRecord, target: EpochRecord, *, action: str, join: bool) -> None:
        if source.status is Status.DESTROYED:
            raise VaultError(f"the key of {source.lineage} was destroyed", where="the vault", mend="Run the raw files")
        if source.generation != target.generation:
            raise VaultError(
                f"{source.lineage} and {target.lineage} stand on different field roots",
                where="the vault",
                mend="Only the raw files lead from one to the other: give them, with --fields",
            )
        self.source, self.target = source.lineage, target.lineage
        self._suppressed: SuppressionList = read_list(vault.path).of_generation(source.generation)
        labels = [domain_label(self.source), domain_label(self.target), SUPPRESSION_LABEL, LINKS_LABEL]
        self._from, self._to, self._suppression, links_key = vault.take(action, *labels)
        self._links = Linked(links_key, read_links(vault.path) if join else no_links(), source.generation)

    def moved(self, tokens: pl.Series) -> tuple[pl.Series, pl.Series]:
        """The tokens in the other domain, and which of them are of people who were forgotten; empty cells stay."""
        filled = tokens.is_not_null()
        roots = roots_of(self._from, unwritten(tokens.drop_nulls(), self.source))
        made = written(domain_tokens(self._to, self._links.persons(roots)), self.target)
        held = pl.Series(self._suppressed.holds(self._suppression, roots))
        return spread(made, filled).alias(tokens.name), spread(held, filled).fill_null(value=False)


def redomain(vault: Vault, source: str, target: str, file: Path, out: Path, *, action: str = "redomain") -> Moved:
    """Write `file` to `out` with tokens of another domain, in which nothing of the first one is left.

    The key log says that it was done by `action`.

    Raises:
        ContractError: A file without tokens, or with tokens where the contracts have none.
        TokenError: Tokens of a domain other than `source`.
        UsageError: The two domains are one.
        VaultError: The two domains stand on different field roots.
    """
    if source == target:
        raise UsageError(
            "is the domain that the tokens are of", where="--to", mend="Name the partner's; `epoch` renews"
        )
    if out.suffix != ".parquet":
        raise UsageError("does not end in .parquet", where="--out", mend="Name a Parquet file")
    lineage, columns = _tokens_in(file)
    if lineage.domain != source:
        what = f"holds tokens of {lineage.domain!r}, not of {source!r}"
        raise TokenError(what, where=str(file), mend="Name its own domain with --from")
    mover = Mover(vault, vault.record.epoch(lineage), vault.current(target), action=action, join=True)
    metadata = parquet_metadata(file) if file.suffix == ".parquet" else {}
    contract = {CONTRACT_KEY: metadata[CONTRACT_KEY]} if CONTRACT_KEY in metadata else {}
    rows = suppressed = 0
    with replacing(out, mode=0o600) as beside, beside.open("wb") as sink:
        writer: pq.ParquetWriter | None = None
        for frame in _frames(file, columns, _form(lineage), f"is no token of {lineage}"):
            moved, forgotten = _moved_rows(mover, frame, columns)
            suppressed += forgotten
            rows += moved.height
            arrow = moved.to_arrow(compat_level=pl.CompatLevel.oldest())
            if writer is None:
                writer = pq.ParquetWriter(sink, arrow.schema.with_metadata(contract), compression="zstd")
            writer.write_table(arrow.cast(writer.schema))
        if writer is not None:
            writer.close()
    return Moved(rows, suppressed)


def issue_map(vault: Vault, domain: str, pairs: pl.DataFrame, out: Path, header: MapHeader) -> None:
    """Write a one-time map and note in the vault that it was issued."""

    def update(record: VaultRecord) -> VaultRecord:
        return msgspec.structs.replace(record, maps=(*record.maps, header))

    if out.exists():
        raise UsageError("exists already", where="--out", mend="Name a new file: a map is used once")
    vault.change("issue map", update, domain=domain, epoch=header.from_epoch, map=header.map_id)
    REKEY_MAP.write(pairs, out, metadata=map_metadata(header), mode=0o600)


def epoch_map(vault: Vault, domain: str, files: Sequence[Path], out: Path, *, source: str | None = None) -> int:
    """Write the map from the epoch of some token files to the domain's newest; the number of tokens in it.

    Tokens of the newest epoch may stand among the others, and need no map.

    Args:
        vault: The custodian's.
        domain: The domain of the tokens.
        files: Everything that holds them.
        out: The map.
        source: The epoch that the map leads from, where the files hold several.

    Raises:
        TokenError: Tokens of another domain, or of several older epochs and no `source`.
        VaultError: They are of the newest epoch already, or of another field root.
    """
    tokens = _distinct(files)
    lineages = set(lineages_of(tokens))
    if {lineage.domain for lineage in lineages} != {domain}:
        raise TokenError(_held(lineages), where=domain, mend="Give files of that domain only")
    target = vault.current(domain)
    older = lineages - {target.lineage}
    if not older:
        raise VaultError("is the newest epoch already", where=str(target.lineage), mend="Rotate first: `keys rotate`")
    wanted = older if source is None else older & {Lineage(domain, source)}
    if len(wanted) != 1:
        raise TokenError(_held(older), where=domain, mend="Say with --from which of these epochs the map leads from")
    (lineage,) = wanted
    mover = Mover(vault, vault.record.epoch(lineage), target, action="epoch", join=False)
    old = tokens.filter(tokens.str.starts_with(lineage.prefix))
    new, _ = mover.moved(old)
    issue_map(vault, domain, pl.DataFrame({"from": old, "to": new}), out, map_header(lineage, target.lineage))
    return len(old)


def map_header(source: Lineage, target: Lineage) -> MapHeader:
    """The header of a new map."""
    return MapHeader(map_id=secrets.token_hex(16), domain=source.domain, from_epoch=source.epoch, to_epoch=target.epoch)


def _moved_rows(mover: Mover, frame: pl.DataFrame, columns: Sequence[str]) -> tuple[pl.DataFrame, int]:
    moved = {name: mover.moved(frame[name]) for name in columns}
    frame = frame.with_columns(tokens.alias(name) for name, (tokens, _) in moved.items())
    if "subject" not in moved:
        return frame, 0
    forgotten = moved["subject"][1]
    return frame.filter(~forgotten), int(forgotten.sum())


def _held(lineages: Iterable[Lineage]) -> str:
    return f"the files hold tokens of {', '.join(map(str, sorted(lineages)))}"


def _distinct(files: Iterable[Path]) -> pl.Series:
    """The tokens in some files, of whatever domain and epoch, each once."""
    seen = pl.Series("from", dtype=pl.String)
    for file in files:
        columns = _token_columns(file)
        for frame in _frames(file, columns, TOKEN_PATTERN, "is no token"):
            cells = pl.concat([frame[name].drop_nulls().alias("from") for name in columns])
            seen = pl.concat([seen, cells.unique()]).unique()
    return seen.sort()


def _token_columns(file: Path) -> tuple[str, ...]:
    names = open_raw(file).names
    columns = tuple(name for name in _TOKEN_COLUMNS if name in names)
    if not columns:
        mend = f"Name a file with {' or '.join(_TOKEN_COLUMNS)}"
        raise ContractError("has no column of tokens", where=str(file), mend=mend)
    return columns


def _tokens_in(file: Path) -> tuple[Lineage, tuple[str, ...]]:
    """The one lineage of a file's tokens, by its first rows, and its columns of tokens."""
    columns = _token_columns(file)
    first = next(iter(open_raw(file).batches())).frame
    cells = pl.concat([_text(first[name], file).drop_nulls().alias("token") for name in columns])
    if not cells.str.contains(TOKEN_PATTERN).all():
        raise TokenError("holds something else than tokens", where=str(file), mend=MEND)
    return column_lineage(cells, where=str(file)), columns


def _frames(file: Path, columns: Sequence[str], form: str, why: str) -> Iterator[pl.DataFrame]:
    """The rows, with every cell of the token columns checked, and every other for tokens that do not belong there."""
    for batch in open_raw(file).batches():
        origin = Origin(str(file), batch.numbers)
        frame = batch.frame.with_columns(_text(batch.column(name), file) for name in columns)
        for name in columns:
            wrong = ~frame[name].str.contains(form).fill_null(value=True)
            origin.refuse(wrong, name, why, mend=MEND)
        for name in frame.columns:
            if name not in columns and not _is_wordless(frame[name].dtype):
                hidden = _text(frame[name], file).str.contains(_INSIDE).fill_null(value=False)
                origin.refuse(hidden, name, "holds a token where none belongs", mend="Drop that column first")
        yield frame


def _form(lineage: Lineage) -> str:
    return TOKEN_PATTERN.replace(_LINEAGE, f"{lineage.domain}\\.{lineage.epoch}")


def _is_wordless(dtype: pl.DataType) -> bool:
    return dtype.is_numeric() or dtype.is_temporal() or dtype == pl.Boolean


def _text(values: pl.Series, file: Path) -> pl.Series:
    """What a column says, or `ContractError` where its type may hide a token."""
    if isinstance(values.dtype, (pl.String, pl.Categorical, pl.Enum, pl.Null)):
        return values.cast(pl.String)
    if values.dtype == pl.List(pl.String):
        return values.list.join("\n").alias(values.name)
    what = f"column {values.name!r} has type {values.dtype}, in which tokens cannot be looked for"
    raise ContractError(what, where=str(file), mend="Write it as text, or drop that column first")
