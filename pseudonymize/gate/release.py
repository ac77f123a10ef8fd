"""Writing a release: one Parquet file a contract, batch by batch, and `release.json` with their hashes."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from pathlib import Path

import msgspec
import polars as pl
import pyarrow.parquet as pq

from recsys.contracts.document import encode_document
from recsys.contracts.release import RELEASE_FILE, Release, fingerprint
from recsys.contracts.table import CONTRACT_KEY, TableContract
from recsys.contracts.token import Lineage
from recsys.files import sha256_of, write_text


class ReleaseWriter(contextlib.ExitStack):
    """Fills a folder with a release. Close it by `finish`, or throw the folder away."""

    def __init__(self, folder: Path, fed: Mapping[str, frozenset[str]]) -> None:
        """`fed` holds, for each contract's name, the columns that its file has, whatever a batch brings."""
        super().__init__()
        self._folder = folder
        self._fed = fed
        self._writers: dict[str, pq.ParquetWriter] = {}

    def write(self, contract: TableContract, frame: pl.DataFrame) -> None:
        """Append rows that passed the contract's checks."""
        columns = [column for column in contract.columns if column.name in self._fed[contract.name]]
        absent = [
            pl.lit(None, column.dtype).alias(column.name) for column in columns if column.name not in frame.columns
        ]
        table = frame.with_columns(absent).select(column.name for column in columns)
        arrow = table.to_arrow(compat_level=pl.CompatLevel.newest())
        name = f"{contract.name}.parquet"
        if name not in self._writers:
            # A file of Python's, since its errors say why a disk cannot be written, and pyarrow's do not.
            file = self.enter_context((self._folder / name).open("wb"))
            # Without Arrow's schema, which would tell readers of polars' own way of holding text.
            writer = self.enter_context(pq.ParquetWriter(file, arrow.schema, compression="zstd", store_schema=False))
            writer.add_key_value_metadata({CONTRACT_KEY: f"{contract.name}/{contract.version}"})
            self._writers[name] = writer
        self._writers[name].write_table(arrow.cast(self._writers[name].schema))

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
