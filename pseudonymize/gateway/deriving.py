"""What stands in the vault now, for a process that lives long: who may ask, and the tokens of identifiers.

Tokens are made by the `Tokeniser` that `run` and `token` use, so that the gateway cannot differ from them. It is made
anew when a file of the vault was changed, before the next tokens: a person who was forgotten, a key that was revoked,
an epoch that was retired count from the next request on. Making it is a use of keys and stands in the key log.
"""

from __future__ import annotations

import datetime as dt
import os
import threading
from collections.abc import Callable, Mapping, Sequence
from operator import attrgetter
from pathlib import Path
from typing import Final, NamedTuple

import polars as pl

from pseudonymize.canonical import MAX_BYTES
from pseudonymize.fields import Field
from pseudonymize.gateway.callers import Caller, read_callers
from pseudonymize.gateway.messages import EMPTY, FORGOTTEN, UNREADABLE
from pseudonymize.gateway.plain import Spelled, spelled_if_plain
from pseudonymize.gateway.sent import Values, texts
from pseudonymize.key_log import LOG_FILE, SEAL_FILE
from pseudonymize.keys import VaultError
from pseudonymize.tokeniser import Tokeniser
from pseudonymize.vault import Vault
from pseudonymize.vault_lock import LOCK_FILE
from pseudonymize.vault_record import EpochRecord, Status
from recsys.contracts.token import Lineage
from recsys.errors import RecsysError

_NO_STATE: Final = frozenset({LOG_FILE, SEAL_FILE, LOCK_FILE})  # they change with every use of a key

_FEW: Final = 16  # values that are no plain ones, so that even long ones hold nobody up
_MOST_BYTES: Final = 4  # of a character in UTF-8


class NoEpochError(RecsysError):
    """An epoch that no tokens are made of."""


class Wanted(NamedTuple):
    """Which tokens are asked for; `epoch` is empty for the newest."""

    domain: str
    epoch: str
    field: str


class Made(NamedTuple):
    """A token or None for each value, and why not by its place."""

    lineage: Lineage
    tokens: list[str | None] | Spelled
    refused: Mapping[int, str]


class Deriver:
    """Follows one vault. One thread makes tokens; others may ask who holds a key, and what is live.

    Args:
        vault: Opened.
        fields: The kinds of identifiers, as the field policy has them.
        clock: For the key log.
    """

    def __init__(self, vault: Vault, fields: Mapping[str, Field], clock: Callable[[], dt.datetime]) -> None:
        self._vault, self._fields, self._clock = vault, fields, clock
        self._following = threading.RLock()
        self._seen: tuple[tuple[str, int, int], ...] | None = None
        self._tokenisers: dict[Lineage, Tokeniser] = {}
        self._callers: dict[str, Caller] = {}

    def caller(self, key_id: str) -> Caller | None:
        """The key of that id, unless it had been revoked when the vault was last followed."""
        return self._callers.get(key_id)

    def follow(self) -> tuple[Lineage, ...]:
        """Take up what was changed in the vault; the domains and epochs that tokens can be made of.

        Raises:
            VaultError: It cannot be used.
        """
        with self._following:
            seen = _state_of(self._vault.path)
            if seen != self._seen:
                self._vault.refresh(self._clock())
                self._callers = {one.key_id: one for one in read_callers(self._vault.path) if one.revoked is None}
                self._tokenisers = {}
                self._seen = seen
            return tuple(sorted(one.lineage for one in self._vault.record.epochs if one.status is Status.LIVE))

    def made(self, wanted: Wanted, values: Values) -> Made:
        """The token of each value.

        Raises:
            NoEpochError: There is no such live epoch.
            VaultError: The vault cannot be used.
        """
        with self._following:
            self.follow()
            tokeniser = self._tokeniser(wanted)
        return _made(tokeniser, wanted.field, texts(values))

    def made_at_once(self, wanted: Wanted, values: Values) -> Made | None:
        """As `made`; None where a file has to be read or written first, or it would take long."""
        if not self._following.acquire(blocking=False):
            return None
        try:
            if _state_of(self._vault.path) != self._seen:
                return None
            tokeniser = self._tokenisers.get(self._epoch(wanted).lineage)
        finally:
            self._following.release()
        if tokeniser is None or tokeniser.form(wanted.field).slow:
            return None
        spelled = spelled_if_plain(tokeniser, wanted.field, values)
        if spelled is not None:
            return Made(tokeniser.lineage, spelled, {})
        return None if len(values) > _FEW else _made(tokeniser, wanted.field, texts(values))

    def _tokeniser(self, wanted: Wanted) -> Tokeniser:
        epoch = self._epoch(wanted)
        if epoch.lineage not in self._tokenisers:
            self._vault.refresh(self._clock())
            action = "serve" if epoch.domain in self._vault.record.own_domains else "serve, ungated"
            made = Tokeniser(self._vault, self._fields, epoch, action=action, counting=False)
            self._tokenisers[epoch.lineage] = made
        return self._tokenisers[epoch.lineage]

    def _epoch(self, wanted: Wanted) -> EpochRecord:
        live = self._vault.record.epochs_of(wanted.domain, status=Status.LIVE)
        named = [one for one in live if one.epoch == wanted.epoch] if wanted.epoch else live
        if not named:
            raise NoEpochError("is not live in this domain", where="$.epoch", mend="Leave it out, for the newest")
        return named[-1]


def _made(tokeniser: Tokeniser, field: str, values: Sequence[str]) -> Made:
    unfit = _unfit(values)
    given = [None if place in unfit else value for place, value in enumerate(values)] if unfit else values
    made = tokeniser.tokens(field, pl.Series(given, dtype=pl.String))
    column = made.tokens
    tokens = column.to_list()
    refused = dict.fromkeys(unfit, UNREADABLE)
    if column.null_count() > len(unfit):
        for place in set(column.is_null().arg_true()) - unfit:
            refused[place] = UNREADABLE if made.unread[place] else EMPTY
    if tokeniser.knows_suppressed:
        for place in tokeniser.suppressed(column).arg_true():
            tokens[place], refused[place] = None, FORGOTTEN
    return Made(tokeniser.lineage, tokens, dict(sorted(refused.items())))


def _unfit(values: Sequence[str]) -> set[int]:
    """The places of what `pseudonymize.standard_input` refuses, too: documents, and text with a NUL byte."""
    if max(map(len, values)) * _MOST_BYTES <= MAX_BYTES and "\0" not in "".join(values):
        return set()  # as nearly always
    return {place for place, value in enumerate(values) if "\0" in value or len(value.encode()) > MAX_BYTES}


def _state_of(vault: Path) -> tuple[tuple[str, int, int], ...]:
    """Which files there are, and when each was written: every one is replaced whole."""
    try:
        with os.scandir(vault) as files:
            return tuple(
                (file.name, (said := file.stat()).st_ino, said.st_mtime_ns)
                for file in sorted(files, key=attrgetter("name"))
                if file.name not in _NO_STATE and not file.name.startswith(".") and file.is_file()
            )
    except OSError as error:
        raise VaultError(f"cannot be read ({error.strerror})", where=str(vault), mend="Is it there?") from None
