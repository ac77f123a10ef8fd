"""What a database has to do for the store, beyond the SQL that both understand: transactions, locks, one fast read."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, Final, Protocol, TypeVar

from sqlalchemy import Connection

T = TypeVar("T")

PATIENCE: Final = 2.0  # seconds that whoever asks waits for others, and is then told that the store does not answer

Row = tuple[Any, ...]  # subject, consents, adult, interests, store, region, history, arm, said, shown


class Database(Protocol):
    """Where the tables are. Every method raises `StoreError` where it does not answer."""

    @property
    def where(self) -> str:
        """What errors call it: never anything secret."""

    def read(self, work: Callable[[Connection], T], *, patient: bool = False) -> T:
        """Run `work` on one consistent view; nothing can be written, and no writer waits.

        Args:
            work: Reads.
            patient: Whether it may take long, as no request does.
        """

    def write(self, work: Callable[[Connection], T], *, durable: bool, patience: float = PATIENCE) -> T:
        """Run `work` in one transaction, all of it or nothing.

        Args:
            work: May be run again, if the transaction that it shared with others failed.
            durable: Whether it has to survive a power failure once this returns, or only the end of the process.
            patience: Seconds to wait for others, in all.
        """

    def write_alone(self, work: Callable[[Connection], T]) -> T:
        """As `write`, durable, for what takes long: it waits longer for others, and nobody else's work is with it."""

    def rows(self, subjects: Sequence[str], *, patience: float = PATIENCE) -> list[Row]:
        """One row for each of `subjects` (each named once), in any order, in one round trip, within so many seconds."""

    def counters(self) -> dict[str, int]:
        """All counters, by name, as fast as can be."""

    def lock(self, connection: Connection, names: Iterable[str]) -> None:
        """Until the transaction ends, nobody else writes what belongs to these subjects, events or keys."""

    def lock_all(self, connection: Connection) -> None:
        """Until the transaction ends, nobody else writes."""

    def lock_last(self, connection: Connection) -> None:
        """Until the transaction ends, nobody else appends to the audit log or numbers an item. Taken after `lock`."""

    def scrub(self) -> None:
        """Do what is quickly done about bytes that deleted rows left behind."""

    def vacuum(self) -> None:
        """Rewrite everything without them."""

    def backup(self, out: Path) -> None:
        """Write a copy of one moment to a file, while others read and write."""

    def check(self) -> None:
        """Return when it answers, over a new connection, and the tables are of this program's version."""

    def close(self) -> None:
        """Let go of files and connections."""
