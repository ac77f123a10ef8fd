"""Releases as the identity gate writes them, and the tables of a dataset."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import polars as pl

from recsys.contracts.dataset import Dataset, dataset_in
from recsys.contracts.document import encode_document
from recsys.contracts.erasure import ErasureOrder
from recsys.contracts.recipient import TRAINING
from recsys.contracts.rekey import REKEY_MAP, MapHeader, map_metadata
from recsys.contracts.release import RELEASE_FILE, Release, fingerprint
from recsys.files import sha256_of
from support.tokens import token
from training.purchases.tables import TABLES

ISSUED = dt.datetime(2024, 6, 1, 12, tzinfo=dt.UTC)


def released(folder: Path, tables: dict[str, pl.DataFrame], *, domain: str = "rec", epoch: str = "01") -> Path:
    """Write tables and the `release.json` that names them."""
    folder.mkdir(parents=True)
    for name, frame in tables.items():
        frame.write_parquet(folder / f"{name}.parquet")
    files = {f"{name}.parquet": sha256_of(folder / f"{name}.parquet") for name in tables}
    release = Release(
        domain=domain,
        epoch=epoch,
        field_policy="0" * 64,
        guard_policy=None,
        fingerprint=fingerprint(files),
        files=files,
        rows={f"{name}.parquet": len(frame) for name, frame in tables.items()},
        dropped={},
    )
    (folder / RELEASE_FILE).write_bytes(encode_document(release))
    return folder


def people(names: list[object], *, consents: tuple[str, ...] = ("training",), epoch: str = "01") -> pl.DataFrame:
    """A subjects table in which everyone agreed to the same."""
    return pl.DataFrame(
        {"subject": [token(name, epoch=epoch) for name in names], "consents": [list(consents)] * len(names)},
        schema_overrides={"consents": pl.List(pl.String())},
    )


def receipts(names: list[object], *, first: dt.date, epoch: str = "01", lines: int = 3) -> pl.DataFrame:
    """Each of `names` has one receipt a day for three days, of some lines each."""
    rows = [
        (
            token(name, epoch=epoch),
            f"item-{line}",
            first + dt.timedelta(days=day),
            1.0,
            token(f"{name} {first + dt.timedelta(days=day)}", epoch=epoch),
        )
        for name in names
        for day in range(3)
        for line in range(lines)
    ]
    return pl.DataFrame(rows, schema=["subject", "item", "day", "quantity", "basket"], orient="row")


def order(path: Path, *tokens: str, number: int = 1, recipient: str = TRAINING) -> Path:
    """An erasure order as a file."""
    asked = ErasureOrder(order_id=f"{number:032x}", recipient=recipient, issued_at=ISSUED, subjects=tokens)
    path.write_bytes(encode_document(asked))
    return path


def one_time_map(path: Path, tokens: pl.Series, *, to: str = "02", number: int = 1) -> Path:
    """A map of `tokens` to the same names in another epoch."""
    domain, epoch = tokens[0].split(".")[1:3]
    header = MapHeader(map_id=f"{number:032x}", domain=domain, from_epoch=epoch, to_epoch=to)
    old = tokens.unique().sort()
    frame = pl.DataFrame({"from": old, "to": old.str.replace(rf"^s1\.{domain}\.{epoch}\.", f"s1.{domain}.{to}.")})
    REKEY_MAP.write(frame, path, metadata=map_metadata(header), mode=0o600)
    return path


def held(folder: Path) -> Dataset:
    """What `dataset.json` says."""
    dataset = dataset_in(folder)
    assert dataset is not None
    return dataset


def rows_of(folder: Path, table: str) -> pl.DataFrame:
    """All rows of a table, sorted."""
    dataset = held(folder)
    names = [*dataset.parts(table), *filter(None, [dataset.merged.get(table)])]
    frames = [TABLES[table].read(folder / name) for name in names]
    if not frames:
        return pl.DataFrame()
    whole = pl.concat(frames, how="diagonal")
    return whole.sort(whole.columns[:4])


def all_tokens(folder: Path) -> pl.Series:
    """Every token in the dataset's tables, subjects and baskets."""
    frames = [rows_of(folder, table) for table in TABLES]
    columns = [frame[name] for frame in frames for name in ("subject", "basket") if name in frame.columns]
    return pl.concat([column.alias("token") for column in columns]).drop_nulls().unique()


def bytes_of(folder: Path) -> bytes:
    """Everything that lies in a folder, names included, with every page of Parquet laid open."""
    laid_open = []
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            laid_open += [path.name.encode(), path.read_bytes()]
            if path.suffix == ".parquet":
                laid_open.append(pl.read_parquet(path).write_csv().encode() if _flat(path) else b"")
    return b"\n".join(laid_open)


def _flat(path: Path) -> bool:
    return not any(isinstance(kind, pl.List) for kind in pl.read_parquet_schema(path).values())
