"""Looking for what must not be there, in every byte: compressed files are opened first."""

from __future__ import annotations

import io
from collections.abc import Iterable
from pathlib import Path

import polars as pl


def contents(folder: Path) -> bytes:
    """Every file below `folder`, as its bytes; Parquet also uncompressed, with its metadata."""
    parts = []
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            parts.append(path.read_bytes())
        if path.suffix == ".parquet":
            frame = pl.read_parquet(path)
            lists = [name for name, dtype in frame.schema.items() if dtype == pl.List(pl.String)]
            flat = frame.with_columns(pl.col(lists).list.join(";"))
            parts += [flat.write_csv().encode(), repr(pl.read_parquet_metadata(path)).encode()]
    return b"\n".join(parts)


def found(haystack: bytes, needles: Iterable[str | bytes]) -> list[str]:
    """Which of the needles stand in the haystack; bytes are told by their hexadecimal digits."""
    texts = {needle for needle in needles if isinstance(needle, str) and needle.encode() in haystack}
    return sorted(texts | {needle.hex() for needle in needles if isinstance(needle, bytes) and needle in haystack})


def plant(folder: Path, needle: str) -> None:
    """Put a needle into a compressed column, for the search to find."""
    buffer = io.BytesIO()
    pl.DataFrame({"item": ["milk"] * 100 + [needle]}).write_parquet(buffer, compression="zstd")
    (folder / "planted.parquet").write_bytes(buffer.getvalue())
