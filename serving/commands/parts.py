"""Writing a table that comes in parts, each of which fits into memory, as one file."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from pathlib import Path

import polars as pl

from recsys.contracts.table import CONTRACT_KEY, TableContract
from recsys.errors import ContractError, OutputError
from recsys.files import replacing


def write_parts(contract: TableContract, parts: Iterable[pl.DataFrame], path: Path) -> int:
    """Write Parquet, whole or not at all; how many rows.

    Raises:
        ContractError: There is no row.
        OutputError: The place cannot be written, or the name does not end in .parquet.
    """
    if path.suffix != ".parquet":
        raise OutputError("is not a .parquet file", where=str(path), mend="Name the file accordingly")
    written: list[Path] = []
    rows, metadata = 0, {CONTRACT_KEY: f"{contract.name}/{contract.version}"}
    with replacing(path) as beside, tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name}.") as folder:
        for part in parts:
            rows += len(part)
            written.append(Path(folder) / f"{len(written):06}.parquet")
            part.write_parquet(written[-1])
        if not rows:
            raise ContractError(f"holds no {contract.name}", where="the state", mend="There is nothing to export")
        try:
            pl.scan_parquet(written).sink_parquet(beside, metadata=metadata)
        except pl.exceptions.PolarsError:
            raise OutputError("cannot be written", where=str(path), mend="Is the disk full?") from None
    return rows
