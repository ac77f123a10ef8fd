"""The store: what serving remembers of people. One role; every implementation passes the suite in `tests/serving`.

Every method raises `StoreError` where the store does not answer or holds what it should not. No method is asynchronous:
whoever has an event loop calls those that write from a thread.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator, Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Protocol

import polars as pl

from recsys.contracts.access import SubjectAccess
from recsys.contracts.audit import AuditKind, AuditReport, Checkpoint, DecisionRecord
from recsys.contracts.erasure import ErasedTokens, ErasureReceipt
from recsys.contracts.preferences import Preferences, PreferencesChange
from recsys.contracts.rekey import RekeyMap, RekeyReceipt
from recsys.contracts.relink import RelinkOrder, RelinkReceipt
from recsys.contracts.state import SubjectState
from recsys.contracts.token import Lineage
from recsys.errors import RecsysError
from recsys.history import ItemIndex
from recsys.policy.document import Cap
from serving.stores.database import PATIENCE
from serving.stores.records import ApiKey, Changes, Known, People, Recorded, Replay, Reported, Settled, Settling


class StoreError(RecsysError):
    """The store does not answer, or holds what it should not. Whoever asked decides nothing about a person then."""


class UnclearError(StoreError):
    """The store was lost while a write was being concluded: it may have been recorded, or not."""


class ErasedError(RecsysError):
    """The person was erased: nothing may be written about them while tokens of this epoch may come."""


class Claim(StrEnum):
    """Why a request may not be carried out now; see `Idempotency.begin`."""

    NEW = "new"
    IN_FLIGHT = "in_flight"
    MISMATCH = "mismatch"


class Store(Protocol):
    """Histories, states and preferences by token.

    Of each subject the newest `recsys.history.MAX_ROWS` days of an item are kept, the newest 1,000 exposures and the
    newest 1,000 responses; of events all, until `prune_events`.
    """

    @property
    def audit(self) -> AuditLog:
        """The audit log."""

    @property
    def idempotency(self) -> Idempotency:
        """Answers that were given."""

    @property
    def keys(self) -> ApiKeys:
        """Who may ask."""

    @property
    def exports(self) -> Exports:
        """Everything, for files."""

    def lineages(self) -> frozenset[Lineage]:
        """The domains and epochs whose tokens are accepted; empty before the first load."""

    def read(self, subjects: Sequence[str], index: ItemIndex, *, patience: float = PATIENCE) -> Known:
        """What is known of each of `subjects`, in their order, in one round trip. Takes no lock.

        Args:
            subjects: Tokens; the same one may stand there twice.
            index: The items to speak of; purchases of other items are left out.
            patience: Seconds that the database has.
        """

    def prepare(self, index: ItemIndex) -> None:
        """Learn the items of `index`, so that the first `read` for them takes no longer than the others."""

    def changes(self) -> Changes:
        """How often what workers keep in memory was changed: some 10 to 100 microseconds."""

    def announce_reload(self, versions: Mapping[str, str], *, now: dt.datetime) -> int:
        """Tell every worker, by `changes`, that bundle, policy, offers and catalogue are to be read again.

        It stands in the audit log then, in the same transaction, and is on the disk also if the power fails.

        Args:
            versions: What was read; see `announced`.
            now: When.

        Returns:
            The number of this announcement, as `changes` has it.
        """

    def announced(self) -> dict[str, str]:
        """The versions that were announced last; nothing where none ever were."""

    def record(self, events: Sequence[Reported], *, now: dt.datetime, caps: Sequence[Cap] = ()) -> Recorded:
        """Take what happened: all of it or, with an error, nothing. The order of arrival does not matter.

        An event whose `event_id` was recorded before changes nothing. Purchases and returns go into the history. An
        exposure counts for caps and fatigue, in place of the reservation of the same decision and offer. Clicks,
        redemptions and `ignored` are responses. A dismissal stands at once. What is dated after `now` is kept as of
        `now`: nothing lies ahead, here or in what other stages are given. A subject who was not there comes into being
        without any consent. Of somebody who was erased nothing is kept.

        The write survives the end of the process; batches with a dismissal survive a power failure as well.

        Args:
            events: At most one batch of the door.
            now: When they arrived.
            caps: Against which exposures are held, to remark on those that went over.
        """

    def settle(
        self, decisions: Sequence[Settling], *, now: dt.datetime, patience: float = PATIENCE
    ) -> tuple[Settled, ...]:
        """Write decisions into the audit log, take their reservations, remember their arms: one transaction.

        Each decision is written whole or not at all: where a cap leaves no room for one of its reservations, nothing of
        it is kept, and the answer names all offers that have none. Caps count as `recsys.constraints` does: exposures
        in the rolling window, reservations until they expire, and the list itself. They hold exactly, whatever other
        processes do at the same time.

        The answer to a request is kept as `Idempotency.finish` does, if all decisions that stand in it are written.

        Args:
            decisions: Any number.
            now: When.
            patience: Seconds to wait for others.
        """

    def preferences(self, subject: str) -> Preferences:
        """What the person told the service or, for purposes and interests never spoken about, what was loaded."""

    def change_preferences(self, subject: str, change: PreferencesChange, *, now: dt.datetime) -> Preferences:
        """Apply a change and return what holds then; on the disk, also if the power fails, and in the audit log.

        Raises:
            ErasedError: The person was erased.
            ContractError: There are `MAX_DISMISSALS` already.
        """

    def access(self, subject: str) -> SubjectAccess:
        """Everything that is held about one person."""

    def erase(self, subjects: Sequence[str], *, order_id: str, now: dt.datetime) -> ErasureReceipt:
        """Forget a person: histories, consents, exposures, preferences, events, answers, audit payloads.

        Their tokens are not accepted for anything while their epoch lasts. Of the same order the first receipt is
        returned again, whatever arrived in between is deleted. On the disk when it returns, also if the power fails.
        What the deleted rows leave on the disk: see `vacuum`.

        Args:
            subjects: The person's tokens; of epochs that are not accepted here, too.
            order_id: 32 hexadecimal digits.
            now: Stands in the receipt.
        """

    def erased(self, subjects: Sequence[str]) -> frozenset[str]:
        """Those of `subjects` who were erased."""

    def tombstones(self) -> ErasedTokens:
        """Who was erased, for a backup of this state that may be restored one day."""

    def erase_again(self, tombstones: ErasedTokens, *, order_id: str, now: dt.datetime) -> ErasureReceipt:
        """Erase whoever was erased after this state's backup was made, as `erase` does.

        Args:
            tombstones: What `tombstones` gave, of the state that this one is a backup of.
            order_id: 32 hexadecimal digits.
            now: Stands in the receipt.

        Raises:
            ContractError: The tombstones are of another state.
        """

    def decision(self, decision_id: str) -> DecisionRecord | None:
        """A decision from the audit log; None where there is none (any more)."""

    def load(self, people: People, *, now: dt.datetime, progress: Callable[[int], None]) -> int:
        """Replace what was loaded of that epoch by `people`, in one step at the end; readers never see half of it.

        Interrupted, it goes on where it was when the same is loaded again. People of other epochs stay until a map is
        applied. What came through the service stays: exposures, responses, dismissals, arms, declared interests, and
        the consents that were spoken about to it. Purchases that came as events stay if they are dated after
        `people.until`; the others are taken to be in the file. Nobody who was erased comes back.

        Args:
            people: What is to be there.
            now: When.
            progress: Told how many subjects were written since it was last told.

        Returns:
            How many subjects were left out because they were erased.
        """

    def rekey(self, applied: RekeyMap, *, now: dt.datetime) -> RekeyReceipt:
        """Replace every token of the map's old epoch by the new one, in one transaction, and remember the receipt.

        Everything goes with the person. Of a person who is there under both epochs, what was loaded under the new one
        holds, and what came through the service is put together. The old epoch is not accepted any more, and its
        tombstones go with it. The receipt does not say `destroyed`: that is for whoever holds the map's file.

        Raises:
            TokenError: The map begins at tokens that the store does not accept.
            ContractError: The map lacks a token that is there.
        """

    def rekeyed(self, map_id: str) -> RekeyReceipt | None:
        """The receipt of a map that was applied."""

    def relink(self, order: RelinkOrder, *, skip: bool, now: dt.datetime) -> RelinkReceipt:
        """Obey an order in one transaction, once; see `recsys.contracts.relink`.

        Joined, everything of a person stands under one token: history, what was said and shown, events, audit records.
        Parted, what was loaded goes until the next load, and so do purchases that no receipt tells apart; exposures and
        refusals count for all, consents for nobody; decisions stay in the log as they were made.

        Args:
            order: For this recipient.
            skip: Whether orders in between are known to be about nothing that is held.
            now: Stands in the receipt.

        Raises:
            ContractError: The order is for somebody else, or does not follow the last one.
            TokenError: It does not speak of every epoch that is accepted.
        """

    def relinked(self, order_id: str) -> RelinkReceipt | None:
        """The receipt of an order that was obeyed."""

    def prune_events(self, before: dt.datetime) -> int:
        """Delete events that arrived before an instant; what they did to histories and states stays."""

    def vacuum(self) -> None:
        """Rewrite the files, so that no byte of what was deleted is left in them. Takes as long as copying them."""

    def backup(self, out: Path) -> None:
        """Write a copy of one moment to a file, readable by its owner only, while others read and write.

        Raises:
            StoreError: The database has tools of its own for that.
        """

    def check(self) -> None:
        """Return when the store answers, and is of this program's version."""

    def try_out(self, *, now: dt.datetime) -> None:
        """Return when the store answers, and takes what is written; it waits for others for no more than a second."""

    def close(self) -> None:
        """Let go of files and connections."""


class AuditLog(Protocol):
    """The log that can forget; see `recsys.contracts.audit`. What a store does to people, it writes down itself."""

    def append(self, kind: AuditKind, body: object, *, now: dt.datetime) -> None:
        """Write down what concerns no person: a reload, an activation. `body` is anything that is JSON."""

    def newest(self) -> dt.datetime | None:
        """When the newest record was written whose text is still there; None where there is none."""

    def verify(self, anchor: Checkpoint | None = None) -> AuditReport:
        """Recompute the chain from its beginning, or from the last pruned checkpoint.

        Args:
            anchor: A checkpoint that was kept elsewhere, to be found in the chain.
        """

    def checkpoint(self, *, now: dt.datetime) -> Checkpoint:
        """Remember the chain's head. Of what stands before it, nothing can be cut off without `verify` noticing."""

    def prune(self, *, before: dt.datetime, now: dt.datetime) -> int:
        """Delete all records up to the newest checkpoint that was made before an instant.

        Returns:
            How many.
        """

    def decisions(self) -> Iterator[pl.DataFrame]:
        """All decisions that are still there, in the contract `DECISIONS`, oldest first, in parts."""


class Idempotency(Protocol):
    """Answers to requests that may be sent again. They are kept for 24 hours."""

    def begin(self, key: bytes, fingerprint: bytes, *, now: dt.datetime, patience: float = PATIENCE) -> Claim | Replay:
        """Claim a request.

        Args:
            key: 32 bytes that name the request: a hash of who sends it, where to, and the header.
            fingerprint: 32 bytes that name its content.
            now: A claim lasts for 24 hours; one that was never finished, for a minute.
            patience: Seconds to wait for others.

        Returns:
            `NEW`: carry it out, then `finish` or `abandon`. `IN_FLIGHT`: somebody does. `MISMATCH`: the key was used
            for something else. Or the answer that was given.
        """

    def begin_all(
        self, claims: Sequence[tuple[bytes, bytes]], *, now: dt.datetime, patience: float = PATIENCE
    ) -> tuple[Claim | Replay, ...]:
        """Claim several requests, each with its key and fingerprint, in one transaction; see `begin`."""

    def finish(self, key: bytes, answer: Replay, subjects: Sequence[str], *, now: dt.datetime) -> None:
        """Keep the answer; erasing one of `subjects` deletes it. Of a claim that is gone, nothing is kept."""

    def abandon(self, key: bytes) -> None:
        """Take the claim back: the request was not carried out. It waits for others for a moment only."""


class ApiKeys(Protocol):
    """The keys of callers, as `serving.keys` makes them."""

    def all(self) -> tuple[ApiKey, ...]:
        """Every key, those that were revoked too, oldest first."""

    def add(self, key: ApiKey) -> None:
        """Keep a new key; in the audit log as well."""

    def revoke(self, key_id: str, *, now: dt.datetime) -> bool:
        """End a key, in the audit log as well; false where there is none that holds."""


class Exports(Protocol):
    """Everything about everybody, in parts that fit into memory. What is written meanwhile may be missing."""

    def subjects(self) -> Iterator[pl.DataFrame]:
        """In the subjects contract: what each person agrees to now, for `fit --subjects`."""

    def states(self) -> Iterator[list[SubjectState]]:
        """What guards are given of each person beside the history, for `recsys-evaluate decide --state`."""

    def events(self) -> Iterator[pl.DataFrame]:
        """In the contract `EVENTS`."""

    def purchases(self) -> Iterator[pl.DataFrame]:
        """In the purchases contract: one row for each subject, item and day, net of returns."""
