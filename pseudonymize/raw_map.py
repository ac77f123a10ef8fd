"""The map to a new field root: it takes the raw files, since a root token cannot be had from another root's."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from pseudonymize import columns
from pseudonymize.domains import issue_map, map_header
from pseudonymize.fields import Action, FieldPolicy, Identifier, Subject
from pseudonymize.keys import VaultError
from pseudonymize.matching import matched
from pseudonymize.set_aside import Place, SetAside
from pseudonymize.tokeniser import Tokeniser
from pseudonymize.vault import Vault
from pseudonymize.vault_record import Status


def raw_map(
    vault: Vault, policy: FieldPolicy, domain: str, files: Sequence[Path], out: Path, *, source: str | None = None
) -> int:
    """Write the map from one of the domain's epochs to its newest; the number of tokens in it.

    Rows that cannot be read are passed over: they had no token in the old epoch either.

    Args:
        vault: The custodian's.
        policy: That of the runs that made the tokens.
        domain: The domain of the tokens.
        files: The raw files of those runs.
        out: The map.
        source: The epoch that the map leads from; the last but one unless set.

    Raises:
        VaultError: There is only one live epoch, or `source` is not an older one of them.
        ContractError: Files that do not fit the field policy.
    """
    live = vault.record.epochs_of(domain, status=Status.LIVE)
    if len(live) < 2:  # noqa: PLR2004 - from one to another
        raise VaultError("has one live epoch only", where=domain, mend="Rotate first: `keys rotate --root`")
    *older, target = live
    named = [epoch for epoch in older if source in {None, epoch.epoch}]
    if not named:
        known = ", ".join(epoch.epoch for epoch in older)
        raise VaultError("is no older epoch that is live", where=f"{domain}, --from", mend=f"There are: {known}")
    begin = named[-1]
    old, new = (Tokeniser(vault, policy.fields, epoch, action="epoch") for epoch in (begin, target))
    pairs = pl.DataFrame(schema={"from": pl.String, "to": pl.String})
    for table, file in matched(files, policy):
        roles = {
            name: role.field
            for name, role in table.columns.items()
            if isinstance(role, Subject) or (isinstance(role, Identifier) and role.action is Action.TOKENISE)
        }
        for batch in file.batches(_passed_over):
            if not batch.height:
                continue
            aside = SetAside(file.path, lenient=True)
            for name, field in roles.items():
                if field is None:
                    continue
                place = Place(aside, name, batch.numbers)
                text = columns.as_text(batch.column(name), place)
                made = {"from": old.tokens(field, text).tokens, "to": new.tokens(field, text).tokens}
                pairs = pl.concat([pairs, pl.DataFrame(made).drop_nulls().unique()]).unique()
    issue_map(vault, domain, pairs.sort("from"), out, map_header(begin.lineage, target.lineage))
    return pairs.height


def _passed_over(row: int, why: str, line: str) -> None:
    """A row of a CSV that is none."""
