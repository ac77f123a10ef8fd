"""What people say: consents, interests, dismissals."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping

import msgspec
from sqlalchemy import Connection

from recsys.contracts.audit import AuditKind
from recsys.contracts.preferences import (
    LOADED,
    MAX_DISMISSALS,
    Consent,
    Preferences,
    PreferencesChange,
    StandingDismissal,
    dismissal_id,
)
from recsys.errors import ContractError
from serving.audit.records import Entry
from serving.stores.activity import Activity, Said
from serving.stores.audit_log import SqlAuditLog
from serving.stores.database import Database
from serving.stores.feedback import dismiss
from serving.stores.interface import ErasedError
from serving.stores.times import utc
from serving.stores.writing import activities, check_epochs, erased_among, write_activities


def change(
    database: Database,
    log: SqlAuditLog,
    connection: Connection,
    asked: tuple[str, PreferencesChange],
    now: dt.datetime,
) -> None:
    """Apply a change within a transaction; see `Store.change_preferences`."""
    subject, wanted = asked
    database.lock(connection, [subject])
    check_epochs(connection, [subject])
    if erased_among(connection, [subject]):
        raise ErasedError("the person was erased; nothing may be written about them", mend="Ask for a token anew")
    person = activities(connection, [subject])[subject]
    consents = later(person.said.consents, _by(now, wanted.consents))
    person.said.consents |= consents
    if wanted.interests is not None:
        person.said.interests = wanted.interests
    for gone in wanted.undo:
        person.said.dismissals.pop(gone, None)
    _drop_expired(person, now)
    _dismiss_all(person, wanted, now)
    write_activities(connection, {subject: person})
    log.write(connection, list(_entries(subject, wanted)), now)


def preferences_of(said: Said, loaded: tuple[Iterable[str], Iterable[str]], since: dt.datetime) -> Preferences:
    """What holds: what was said and, where nothing was, the consents and interests that were loaded at `since`."""
    consents, interests = loaded
    standing = Consent(granted=True, at=since, source=LOADED)
    return Preferences(
        consents={**dict.fromkeys(consents, standing), **said.consents},
        interests=tuple(interests) if said.interests is None else said.interests,
        dismissals=tuple(said.dismissals.values()),
    )


def later(held: Mapping[str, Consent], said: Mapping[str, Consent]) -> dict[str, Consent]:
    """What of `said` comes after what is held; at the same instant, the no."""
    later = {}
    for purpose, consent in said.items():
        known = held.get(purpose)
        is_later = known is None or consent.at > known.at
        if is_later or (known is not None and consent.at == known.at and not consent.granted):
            later[purpose] = msgspec.structs.replace(consent, at=utc(consent.at))
    return later


def _by(now: dt.datetime, said: Mapping[str, Consent]) -> dict[str, Consent]:
    """No yes from the future: it would hold against every no until then. A no from there withholds, and may stand."""
    return {
        purpose: msgspec.structs.replace(consent, at=now) if consent.granted and consent.at > now else consent
        for purpose, consent in said.items()
    }


def _drop_expired(person: Activity, now: dt.datetime) -> None:
    kept = {name: said for name, said in person.said.dismissals.items() if said.expires is None or said.expires > now}
    person.said.dismissals = kept


def _dismiss_all(person: Activity, wanted: PreferencesChange, now: dt.datetime) -> None:
    for new in wanted.dismiss:
        said = StandingDismissal(
            dismissal_id=dismissal_id(new.scope, new.value),
            scope=new.scope,
            value=new.value,
            at=utc(now),
            expires=new.expires and utc(new.expires),
            reason=new.reason,
        )
        if not dismiss(person, said):
            raise ContractError(
                f"more than {MAX_DISMISSALS} things dismissed", mend="Take some of them back, or dismiss a category"
            )


def _entries(subject: str, wanted: PreferencesChange) -> Iterable[Entry]:
    if wanted.consents:
        yield Entry(AuditKind.CONSENT, wanted.consents, subject=subject)
    other = msgspec.structs.replace(wanted, consents={})
    if other != PreferencesChange():
        yield Entry(AuditKind.PREFERENCES, other, subject=subject)
