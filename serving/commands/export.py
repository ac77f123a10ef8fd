"""`recsys-serve export`: what the other stages need of the state."""

from __future__ import annotations

import contextlib
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from recsys.console import say, step
from recsys.contracts.document import encode_document
from recsys.contracts.event import EVENTS
from recsys.contracts.purchases import PURCHASES
from recsys.contracts.subjects import SUBJECTS
from recsys.files import replacing, write_text
from serving.commands.options import State
from serving.commands.parts import write_parts
from serving.stores import Exports, Store, open_store


class Exported(StrEnum):
    """What can be exported."""

    SUBJECTS = "subjects"
    STATE = "state"
    EVENTS = "events"
    PURCHASES = "purchases"
    ERASED = "erased"


def export(
    what: Annotated[Exported, typer.Argument(metavar="WHAT", help="subjects, state, events, purchases or erased.")],
    state: State,
    out: Annotated[Path, typer.Option("--out", help="Where it goes: .parquet; the state: .jsonl; erased: .json.")],
) -> None:
    """Write what the state holds, for another stage.

    subjects: what everybody agrees to now, for `recsys-train fit --subjects`. state: what guards are given, for
    `recsys-evaluate decide --state`. events: what was reported, for `recsys-evaluate uplift`. purchases: the histories,
    net of returns, one row for each subject, item and day. erased: salted hashes of who was erased, for
    `recsys-serve forget-again` on a restored backup.

    Example: `recsys-serve export subjects --state sqlite:///state.db --out subjects.parquet`
    """
    with contextlib.closing(open_store(state)) as store, step(f"Writing {what.value}"):
        rows = _write_erased(store, out) if what is Exported.ERASED else _write(store.exports, what, out)
    say(f"{out} holds {rows:,} rows.")


def _write(exports: Exports, what: Exported, out: Path) -> int:
    if what is Exported.SUBJECTS:
        return write_parts(SUBJECTS, exports.subjects(), out)
    if what is Exported.EVENTS:
        return write_parts(EVENTS, exports.events(), out)
    if what is Exported.PURCHASES:
        return write_parts(PURCHASES, exports.purchases(), out)
    return _write_states(exports, out)


def _write_erased(store: Store, out: Path) -> int:
    tombstones = store.tombstones()
    write_text(out, encode_document(tombstones).decode())
    return len(tombstones.erased)


def _write_states(exports: Exports, out: Path) -> int:
    encoder, rows = msgspec.json.Encoder(order="deterministic"), 0
    with replacing(out) as beside, beside.open("wb") as file:
        for part in exports.states():
            file.writelines(encoder.encode(line) + b"\n" for line in part)
            rows += len(part)
    return rows
