"""`link`: learn from the raw files which identifiers are one person's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import msgspec
import polars as pl

from pseudonymize.fields import FieldPolicy
from pseudonymize.fields_check import subject_fields
from pseudonymize.linking.entries import Entries
from pseudonymize.linking.keeping import changing_links, keep, renamed
from pseudonymize.linking.reading import Identities, identity_columns, read_identities
from pseudonymize.links.joining import Arriving, Joined, Limits, Refused, joined
from pseudonymize.links.people import Ranks
from pseudonymize.links.table import ID, OTHER, links_folder, write_links
from pseudonymize.vault import Vault
from recsys.errors import PolicyError
from recsys.files import replacing

REFUSED_FILE: Final = "refused-{:%Y%m%dT%H%M%S}Z.csv"  # in the folder beside the links: it holds identifiers


class LinkReport(msgspec.Struct, frozen=True, kw_only=True):
    """What the files held and what came of it, in numbers; of the newest field root.

    `refused` counts links by reason, and `refused_file` names them; `doubtful` are links of earlier files by an
    identifier that is shared by too many since. `renamed` are identifiers that had another name before. `links_behind`
    are links, and `separations_behind` separations, that only an older field root knows: their people are not in the
    files.
    """

    rows: int
    identifiers: dict[str, int]
    unread: dict[str, int]
    links: int
    refused: dict[str, int]
    refused_file: str | None
    doubtful: int
    people: int
    linked_people: int
    renamed: int
    links_behind: int
    separations_behind: int
    orders: str | None


@dataclass(frozen=True, slots=True)
class Kept:
    """How `link` goes about it: who wants what.

    Args:
        again: Whether to write orders though nobody's token changed: for a recipient that lost one, or was rekeyed.
        out: Where the orders go; None: into the vault.
    """

    again: bool = False
    out: Path | None = None


def link(vault: Vault, policy: FieldPolicy, inputs: Sequence[Path], how: Kept) -> LinkReport:
    """Add what the files hold to the links, and write the orders for those whose token changes.

    Raises:
        PolicyError: It has no column that links.
        ContractError: A file that does not fit the field policy.
        VaultError: The links are damaged, or another command holds them for too long.
    """
    if all(len(identity_columns(table)) == 1 for table in policy.tables):
        mend = "Give the columns that name the row's person, too, role = 'identifier', action = 'link'"
        raise PolicyError("has no column that links", where=str(policy.path), mend=mend)
    found = read_identities(policy, inputs)
    entries = Entries(vault, policy, found.values)
    with changing_links(vault) as held:
        links, behind = entries.carried_over(held)
        arriving = Arriving(entries.nodes(vault.now.date()), entries.edges(found.pairs), entries.forgotten(vault))
        done = joined(links, arriving, limits_of(policy), ranks_of(policy))
        strangers = pl.concat([links.nodes, arriving.nodes]).unique(ID, keep="first")
        changed = renamed(replace(links, nodes=strangers), done.links, subject_fields(policy))
        folder = None
        if len(changed) or how.again:
            folder = keep(vault, entries.key, done.links, policy, None, how.out)
        else:
            write_links(vault.path, done.links)
        refused, doubtful = entries.spoken(done.refused), entries.spoken(done.doubtful)
        file = _write_refused(vault, pl.concat([refused, doubtful]))
    anew = len(changed.filter(generation=entries.newest))
    return _report(found, done, refused, _Outcome(entries.newest, anew, behind, folder, file, subject_fields(policy)))


def limits_of(policy: FieldPolicy) -> Limits:
    """What the policy says is plausible."""
    return Limits(
        {name: field.most_beside for name, field in policy.fields.items()},
        {name: field.per_person for name, field in policy.fields.items()},
    )


def ranks_of(policy: FieldPolicy) -> Ranks:
    """The fields that may give a person's token, the first one first."""
    subjects = subject_fields(policy)
    return {name: rank for rank, name in enumerate(name for name in policy.fields if name in subjects)}


@dataclass(frozen=True, slots=True)
class _Outcome:
    generation: str
    renamed: int
    behind: int
    folder: Path | None
    refused: Path | None
    subjects: frozenset[str]


def _write_refused(vault: Vault, refused: pl.DataFrame) -> Path | None:
    """In the vault, beside those of other days: whoever looks into a refusal needs the identifiers.

    Those of the forgotten are counted and written nowhere.
    """
    refused = refused.filter(pl.col("reason") != Refused.FORGOTTEN.value)
    if refused.is_empty():
        return None
    file = links_folder(vault.path) / REFUSED_FILE.format(vault.now)
    with replacing(file, mode=0o600) as beside:
        refused.sort(refused.columns).write_csv(beside)
    return file


def _report(found: Identities, done: Joined, refused: pl.DataFrame, outcome: _Outcome) -> LinkReport:
    nodes = done.links.nodes.filter(generation=outcome.generation)
    named = nodes.filter(pl.col("field").is_in(sorted(outcome.subjects))).select(OTHER).unique()
    links = {
        str(name): len(done.links.edges.join(part.select(ID), on=ID, how="semi"))
        for (name,), part in done.links.nodes.partition_by("generation", as_dict=True).items()
    }
    sizes = nodes.join(named, on=OTHER, how="semi").group_by(OTHER).len()["len"]
    return LinkReport(
        rows=found.rows,
        identifiers=_counted(found.values["field"]),
        unread={name: count for name, count in sorted(found.unread.items()) if count},
        links=links.get(outcome.generation, 0),
        refused=_counted(refused["reason"]),
        refused_file=str(outcome.refused) if outcome.refused else None,
        doubtful=len(done.doubtful.join(nodes.select(ID), on=ID, how="semi")),
        people=len(sizes),
        linked_people=int((sizes > 1).sum()),
        renamed=outcome.renamed,
        links_behind=max(links.values(), default=0) - links.get(outcome.generation, 0),
        separations_behind=outcome.behind,
        orders=str(outcome.folder) if outcome.folder else None,
    )


def _counted(values: pl.Series) -> dict[str, int]:
    return {str(value): count for value, count in sorted(values.value_counts().iter_rows())}
