"""The store: what serving remembers of people. One role; every implementation passes `tests/serving/test_store.py`."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import polars as pl

from recsys.contracts.event import Event
from recsys.contracts.rekey import RekeyMap, RekeyReceipt
from recsys.contracts.state import State
from recsys.contracts.token import Lineage
from recsys.errors import RecsysError
from recsys.history import Histories, ItemIndex


class StoreError(RecsysError):
    """The store does not answer, or holds what it should not. Whoever asked decides nothing about a person then."""


@dataclass(frozen=True, slots=True)
class Known:
    """What the store knows of B subjects. Of a stranger: an empty history and the empty state.

    Args:
        histories: B histories over the items that were asked for, net of returns.
        states: B states.
    """

    histories: Histories
    states: tuple[State, ...]


@dataclass(frozen=True, slots=True)
class Recorded:
    """What became of a batch of events."""

    accepted: int
    duplicates: int


@dataclass(frozen=True, slots=True)
class People:
    """Everything that a load puts into the store.

    Args:
        lineage: The domain and epoch of all tokens in it.
        subjects: In the subjects contract.
        daily: `subject, item, day, quantity, baskets`, as `recsys.history.purchase_days` makes it. Who is not among
            `subjects` has agreed to nothing.
    """

    lineage: Lineage
    subjects: pl.DataFrame
    daily: pl.DataFrame


class Store(Protocol):
    """Histories and states by token. Each method raises `StoreError` where the store does not answer.

    Of each subject the newest `recsys.history.MAX_ROWS` rows are kept; a row is what happened to an item on a day.
    """

    def lineages(self) -> frozenset[Lineage]:
        """The domains and epochs whose tokens are accepted; empty before the first load."""

    def read(self, subjects: Sequence[str], index: ItemIndex) -> Known:
        """What is known of each of `subjects`, in their order, in one round trip.

        Args:
            subjects: Tokens; the same one may stand there twice.
            index: The items to speak of; purchases of other items are left out.
        """

    def record(self, events: Sequence[Event]) -> Recorded:
        """Add purchases and returns to the histories: all of them or, with an error, none.

        An event whose `event_id` was recorded before changes nothing. The history does not depend on the order in which
        events arrive. A subject who was not there comes into being without any consent.

        Args:
            events: Purchases and returns with an item and a quantity; `serving.intake` lets in nothing else.
        """

    def load(self, people: People, *, progress: Callable[[int], None]) -> None:
        """Replace all people of that epoch by `people`; with an error, everything stays as it was.

        People of another epoch stay until a map is applied: callers may still speak of them by their old tokens.

        Args:
            people: What is to be there.
            progress: Told how many subjects were written since it was last told.
        """

    def rekey(self, applied: RekeyMap, *, now: dt.datetime) -> RekeyReceipt:
        """Replace every token of the map's old epoch by the new one, in one transaction, and remember the receipt.

        Histories, states and what is known of events go with the person. Of a person who is there under both epochs,
        what was loaded under the new one holds. The old epoch is not accepted any more. The receipt does not say
        `destroyed`: that is for whoever holds the map's file.

        Raises:
            TokenError: The map begins at tokens that the store does not accept.
            ContractError: The map lacks a token that is there.
        """

    def rekeyed(self, map_id: str) -> RekeyReceipt | None:
        """The receipt of a map that was applied."""

    def check(self) -> None:
        """Return when the store answers."""

    def close(self) -> None:
        """Let go of files and connections."""
