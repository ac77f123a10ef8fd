"""`recsys-serve release`: what was bought through the service, for the trainer's dataset."""

from __future__ import annotations

import contextlib
import datetime as dt
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Final

import polars as pl
import typer

from recsys.console import parse_day, say, step
from recsys.contracts.document import encode_document
from recsys.contracts.event import EventType
from recsys.contracts.purchases import PURCHASES
from recsys.contracts.release import RELEASE_FILE, Release, fingerprint
from recsys.contracts.subjects import SUBJECTS
from recsys.contracts.token import Lineage
from recsys.errors import ContractError, UsageError
from recsys.files import new_folder, sha256_of, write_text
from serving.commands.options import State
from serving.commands.parts import write_parts
from serving.stores import Store, open_store

FIELD_POLICY: Final = "none: from the service, which holds no fields"


def release(
    state: State,
    since: Annotated[str, typer.Option("--since", help="YYYY-MM-DD: the first day on which it was reported.")],
    until: Annotated[str, typer.Option("--until", help="YYYY-MM-DD: the first day that is left out.")],
    out: Annotated[Path, typer.Option("--out", help="A new folder.")],
) -> None:
    """Write purchases and returns that were reported, and what everybody agrees to now, as a release.

    `recsys-train append` takes it. By the day on which the service was told, so that a release from each end to the
    next misses nothing and has nothing twice. What was loaded is not in it: that came with releases of its own. Nor is
    anybody who was erased. Where the tills' receipts pass the identity gate too, append those and not these.

    Example: `recsys-serve release --state sqlite:///state.db --since 2017-11-27 --until 2017-12-25 --out release`
    """
    first, last = (
        dt.datetime.combine(parse_day(text, option=option), dt.time(), dt.UTC)
        for text, option in ((since, "--since"), (until, "--until"))
    )
    if first >= last:
        raise UsageError("is not before --until", where="--since", mend="Give the days the other way round")
    with contextlib.closing(open_store(state)) as store, step("Writing the release"), new_folder(out) as folder:
        lineage, counts = _only(store.lineages()), {}
        for contract, parts in (
            (PURCHASES, _bought(store, first, last)),
            (SUBJECTS, store.exports.subjects()),
        ):
            name = f"{contract.name}.parquet"
            counts[name] = write_parts(contract, parts, folder / name)
        write_text(folder / RELEASE_FILE, encode_document(_sealed(folder, lineage, counts)).decode())
    say(f"{out} holds {', '.join(f'{count:,} rows of {name}' for name, count in counts.items())}.")


def _only(lineages: frozenset[Lineage]) -> Lineage:
    if len(lineages) != 1:
        raise ContractError(
            f"holds tokens of {len(lineages)} domains or epochs, and a release has those of one",
            where="the state",
            mend="Load first, or apply the custodian's map: recsys-serve rekey",
        )
    return next(iter(lineages))


def _bought(store: Store, first: dt.datetime, last: dt.datetime) -> Iterator[pl.DataFrame]:
    """Purchases and, as negative ones, returns, in the purchases contract."""
    back = pl.when(pl.col("type") == EventType.RETURN).then(-1.0).otherwise(1.0)
    for events in store.exports.events():
        sold = events.filter(
            pl.col("type").is_in([EventType.PURCHASE, EventType.RETURN]),
            pl.col("received").is_between(first, last, closed="left"),
        )
        lines = sold.select(
            "subject",
            "item",
            pl.col("at").dt.date().alias("day"),
            pl.col("quantity") * back,
            pl.col("value") * back,
            "basket",
        )
        if len(lines):
            yield PURCHASES.checked(lines, where="the state")


def _sealed(folder: Path, lineage: Lineage, rows: dict[str, int]) -> Release:
    files = {name: sha256_of(folder / name) for name in rows}
    return Release(
        domain=lineage.domain,
        epoch=lineage.epoch,
        field_policy=FIELD_POLICY,
        guard_policy=None,
        fingerprint=fingerprint(files),
        files=files,
        rows=rows,
        dropped={},
    )
