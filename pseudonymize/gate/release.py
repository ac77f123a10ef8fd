"""Writing a release: one Parquet file a contract, batch by batch, and `release.json` with their hashes."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import msgspec
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from pseudonymize.distinct import Coded, encoded_unless_few
from pseudonymize.parquet_files import dictionary
from recsys.contracts.document import encode_document
from recsys.contracts.release import RELEASE_FILE, Release, fingerprint
from recsys.contracts.table import CONTRACT_KEY, TableContract
from recsys.contracts.token import Lineage
from recsys.files import sha256_of, write_text

_LEVEL: Final = 3  # of zstd: that of polars
_DICTIONARY: Final = 1 << 26  # bytes: the tokens of a whole batch, each another
_NONE: Final[Mapping[str, Any]] = MappingProxyType({})


class TableWriter(contextlib.ExitStack):
    """Writes a table batch by batch, every text as a dictionary: a token stands once in a row group.

    Without statistics of texts, by which nobody looks for a token; and without Arrow's schema, which would tell readers
    that texts were dictionaries.
    """

    def __init__(self, path: Path, metadata: Mapping[str, str] = _NONE) -> None:
        super().__init__()
        # A file of Python's, since its errors say why a disk cannot be written, and pyarrow's do not.
        self._file = self.enter_context(path.open("wb"))
        self._metadata = metadata
        self._writer: pq.ParquetWriter | None = None

    def write(self, frame: pl.DataFrame, coded: Mapping[str, Coded] = _NONE) -> None:
        """Append rows, of the same columns each time."""
        arrow = _with_dictionaries(frame, coded)
        if self._writer is None:
            self._writer = self.enter_context(
                pq.ParquetWriter(
                    self._file,
                    arrow.schema,
                    compression="zstd",
                    compression_level=_LEVEL,
                    dictionary_pagesize_limit=_DICTIONARY,
                    write_statistics=[field.name for field in arrow.schema if not pa.types.is_dictionary(field.type)],
                    store_schema=False,
                )
            )
            self._writer.add_key_value_metadata(self._metadata)
        self._writer.write_table(arrow.cast(self._writer.schema))


class ReleaseWriter(contextlib.ExitStack):
    """Fills a folder with a release. Close it by `finish`, or throw the folder away."""

    def __init__(self, folder: Path, fed: Mapping[str, frozenset[str]]) -> None:
        """`fed` holds, for each contract's name, the columns that its file has, whatever a batch brings."""
        super().__init__()
        self._folder = folder
        self._fed = fed
        self._writers: dict[str, TableWriter] = {}

    def write(self, contract: TableContract, frame: pl.DataFrame, coded: Mapping[str, Coded]) -> None:
        """Append rows that passed the contract's checks; those of their columns that are `coded` are not spread out."""
        columns = [column for column in contract.columns if column.name in self._fed[contract.name]]
        absent = [
            pl.lit(None, column.dtype).alias(column.name) for column in columns if column.name not in frame.columns
        ]
        name = f"{contract.name}.parquet"
        if name not in self._writers:
            metadata = {CONTRACT_KEY: f"{contract.name}/{contract.version}"}
            self._writers[name] = self.enter_context(TableWriter(self._folder / name, metadata))
        self._writers[name].write(frame.with_columns(absent).select(column.name for column in columns), coded)

    def finish(
        self,
        lineage: Lineage,
        *,
        field_policy: str,
        guard_policy: str | None,
        dropped: Mapping[str, int],
        gate: str | None = None,
    ) -> Release:
        """Close the tables, if the gate has not, and write what lies in the folder beside them."""
        self.close()
        release = Release(
            domain=lineage.domain,
            epoch=lineage.epoch,
            field_policy=field_policy,
            guard_policy=guard_policy,
            fingerprint="",
            files={},
            rows={},
            dropped=dict(dropped),
            gate=gate,
        )
        return seal(self._folder, release)


def seal(folder: Path, release: Release) -> Release:
    """Write `release.json`, with the names, hashes and rows of the tables that lie in `folder`."""
    tables = sorted(folder.glob("*.parquet"))
    files = {path.name: sha256_of(path) for path in tables}
    rows = {path.name: pq.read_metadata(path).num_rows for path in tables}
    sealed = msgspec.structs.replace(release, fingerprint=fingerprint(files), files=files, rows=rows)
    write_text(folder / RELEASE_FILE, encode_document(sealed).decode())
    return sealed


def _with_dictionaries(frame: pl.DataFrame, coded: Mapping[str, Coded]) -> pa.Table:
    table = frame.to_arrow(compat_level=pl.CompatLevel.newest())
    for place, name in enumerate(frame.columns):
        if frame[name].dtype == pl.String:
            column = coded[name] if name in coded else encoded_unless_few(frame[name])
            table = table.set_column(place, name, dictionary(column))
    return table
