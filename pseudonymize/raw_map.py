"""The map to a new field root: it takes the raw files, since a root token cannot be had from another root's."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from pseudonymize import columns
from pseudonymize.domains import issue_map, map_header
from pseudonymize.fields import FieldPolicy, Identifier, Subject
from pseudonymize.keys import VaultError
from pseudonymize.matching import matched
from pseudonymize.set_aside import Place, SetAside
from pseudonymize.tokeniser import Tokeniser
from pseudonymize.vault import Vault
from pseudonymize.vault_record import Status


def raw_map(vault: Vault, policy: FieldPolicy, domain: str, files: Sequence[Path], out: Path) -> int:
    """Write the map from the domain's last epoch but one to its newest; the number of tokens in it.

    Raises:
        VaultError: There is only one live epoch.
        ContractError: Files that do not fit the field policy.
    """
    target = vault.current(domain)
    live = vault.record.epochs_of(domain, status=Status.LIVE)
    if len(live) < 2:  # noqa: PLR2004 - from one to another
        raise VaultError("has one live epoch only", where=domain, mend="Rotate first: `keys rotate --root`")
    source = live[-2]
    old, new = (Tokeniser(vault, policy.fields, epoch, action="epoch") for epoch in (source, target))
    pairs = pl.DataFrame(schema={"from": pl.String, "to": pl.String})
    for table, file in matched(files, policy):
        roles = {name: role.field for name, role in table.columns.items() if isinstance(role, Subject | Identifier)}
        for batch in file.batches():
            for name, field in roles.items():
                if field is None:
                    continue
                place = Place(SetAside(file.path, lenient=False), name, batch.numbers)
                text = columns.as_text(batch.frame[name], place)
                made = {"from": old.tokens(field, text).tokens, "to": new.tokens(field, text).tokens}
                pairs = pl.concat([pairs, pl.DataFrame(made).drop_nulls().unique()]).unique()
    issue_map(vault, domain, pairs.sort("from"), out, map_header(source.lineage, target.lineage))
    return pairs.height
