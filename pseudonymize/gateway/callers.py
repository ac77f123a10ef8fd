"""Who may ask the gateway: API keys, kept in the vault as hashes.

A key says which domain's tokens it is given and for which fields: who asks cannot choose another's. Whoever holds a key
can try out identifiers, one after the other, and so learn which tokens belong to them; `per_minute` bounds how fast.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Final

import msgspec

from pseudonymize.custody import read_private
from pseudonymize.keys import VaultError
from pseudonymize.vault import Vault
from pseudonymize.vault_lock import locked
from recsys.contracts.document import decode_document, encode_document
from recsys.contracts.names import Name
from recsys.contracts.token import DOMAIN_PATTERN
from recsys.errors import ContractError, UsageError
from recsys.files import write_text
from web.api_keys import draw

CALLERS_FILE: Final = "callers.json"
_RESTORE: Final = "Restore it from its copy, or delete it: then nobody may ask"


class Caller(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A key as it is stored: nobody can tell the key from it. `digest` is SHA-256 of its secret part."""

    key_id: Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{12}$")]
    name: Name
    digest: Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}$")]
    domain: Annotated[str, msgspec.Meta(pattern=f"^{DOMAIN_PATTERN}$")]
    fields: Annotated[tuple[str, ...], msgspec.Meta(min_length=1)]
    per_minute: Annotated[int, msgspec.Meta(ge=1)]
    created: dt.datetime
    revoked: dt.datetime | None = None


class _Callers(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    contract: Annotated[str, msgspec.Meta(pattern=r"^callers/1$")] = "callers/1"
    callers: tuple[Caller, ...] = ()


def read_callers(vault: Path) -> tuple[Caller, ...]:
    """Every key that was ever made, also those that were revoked.

    Raises:
        VaultError: The file is damaged or open to others.
    """
    file = vault / CALLERS_FILE
    if not file.exists():
        return ()
    try:
        return decode_document(read_private(file, mend=_RESTORE), _Callers, where=str(file)).callers
    except ContractError as error:
        raise VaultError(error.what, where=str(file), mend=_RESTORE) from None


def create_caller(
    vault: Vault, name: str, domain: str, fields: Sequence[str], per_minute: int, *, action: str = "new caller"
) -> tuple[str, Caller]:
    """Make a key; the key to hand over, and what is kept of it. A domain's first use makes its first epoch."""
    vault.current(domain)
    drawn = draw()
    made = Caller(
        key_id=drawn.key_id,
        name=name,
        digest=drawn.digest.hex(),
        domain=domain,
        fields=tuple(sorted(set(fields))),
        per_minute=per_minute,
        created=vault.now,
    )
    vault.change(action, lambda record: record, domain=domain, caller=made.key_id)
    with locked(vault.path):
        _write(vault.path, (*read_callers(vault.path), made))
    return drawn.key, made


def revoke_caller(vault: Vault, key_id: str) -> None:
    """End a key.

    Raises:
        UsageError: There is none of that id that holds.
    """
    with locked(vault.path):
        callers = read_callers(vault.path)
        if not any(caller.key_id == key_id and caller.revoked is None for caller in callers):
            raise UsageError("is no key that holds", where="KEY_ID", mend="See recsys-pseudonymize callers list")
        ended = {key_id: vault.now}
        _write(
            vault.path,
            tuple(
                msgspec.structs.replace(caller, revoked=caller.revoked or ended.get(caller.key_id))
                for caller in callers
            ),
        )
    vault.change("caller revoked", lambda record: record, caller=key_id)


def _write(vault: Path, callers: tuple[Caller, ...]) -> None:
    write_text(vault / CALLERS_FILE, encode_document(_Callers(callers=callers)).decode(), mode=0o600)
