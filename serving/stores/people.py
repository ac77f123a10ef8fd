"""From what the database returns about people to what decisions are made from."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray
from sqlalchemy import select

from recsys.contracts.state import EMPTY_STATE, State
from recsys.history import ItemIndex
from serving.stores import schema
from serving.stores.activity import (
    Said,
    dismissals_of,
    exposures_of,
    reservations_of,
    responses_of,
    unpack_said,
    unpack_shown,
)
from serving.stores.database import Database, Row
from serving.stores.packed import to_histories, unpack
from serving.stores.records import Known

_TEXTS: Final = msgspec.json.Decoder(tuple[str, ...])


class PeopleReader:
    """Reads people. Remembers what the database's item codes mean: they never change."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._codes: tuple[
            _Codes, ...
        ] = ()  # of every index that somebody holds: what stands, what stood, what is tried
        self._learning = threading.Lock()

    def prepare(self, index: ItemIndex) -> None:
        """Learn all items by their codes in `index`: no request should wait for that."""
        self._codes_for(index, None)

    def read(self, subjects: Sequence[str], index: ItemIndex, *, patience: float) -> Known:
        """What is known of each of `subjects`.

        Raises:
            ValueError: What stands there was never written by a store.
            msgspec.DecodeError: The same.
        """
        found = {row[0]: row for row in self._database.rows(list(dict.fromkeys(subjects)), patience=patience)}
        rows, owners = unpack([found[subject][6] or b"" for subject in subjects])
        codes = self._codes_for(index, int(rows["item"].max()) if len(rows) else -1)
        states = {subject: state_of(row) for subject, row in found.items()}
        return Known(to_histories(subjects, rows, owners, codes), tuple(states[subject] for subject in subjects))

    def _codes_for(self, index: ItemIndex, highest: int | None) -> NDArray[np.int32]:
        """The code in `index` of each of the database's items; read anew only for items that we have not met."""
        known = self._known(index)
        if highest is None or highest >= len(known):
            more = index.encode(self._names(len(known)))
            known = np.concatenate([known, more])
            with self._learning:
                held = [(one, one.index()) for one in self._codes]
                others = (one for one, whose in held if whose is not None and whose is not index)
                self._codes = (_Codes(weakref.ref(index), known), *others)
        if highest is not None and highest >= len(known):
            raise ValueError("a history holds an item without a name")
        return known

    def _known(self, index: ItemIndex) -> NDArray[np.int32]:
        return next((one.codes for one in self._codes if one.index() is index), np.empty(0, np.int32))

    def _names(self, known: int) -> Iterable[str]:
        item = schema.items.c
        query = select(item.name).where(item.code >= known).order_by(item.code)
        return self._database.read(lambda connection: connection.execute(query).scalars().all(), patient=True)


@dataclass(frozen=True, slots=True)
class _Codes:
    index: weakref.ref[ItemIndex]
    codes: NDArray[np.int32]


def state_of(row: Row) -> State:
    """The state that stands in a row of `Database.rows`."""
    _, consents, adult, interests, store, region, _, arm, said, shown = row
    if consents is None and arm is None and said is None and shown is None:
        return EMPTY_STATE
    told, seen = unpack_said(said), unpack_shown(shown)
    loaded = _TEXTS.decode(interests) if interests else ()
    return State(
        consents=agreed(_TEXTS.decode(consents) if consents else (), told),
        adult=None if adult is None else bool(adult),
        interests=loaded if told.interests is None else told.interests,
        store=store,
        region=region,
        exposures=exposures_of(seen),
        reservations=reservations_of(seen),
        responses=responses_of(seen),
        dismissals=dismissals_of(told),
        arm=arm,
    )


def agreed(loaded: Iterable[str], said: Said) -> frozenset[str]:
    """The purposes agreed to: what was said to the service comes before what was loaded."""
    silent = {purpose for purpose in loaded if purpose not in said.consents}
    return frozenset(silent | {purpose for purpose, consent in said.consents.items() if consent.granted})
