"""Forgetting a person, and bringing one back.

From an identifier: the root tokens of it, and of all that is linked with it, under every field root go on the
suppression list, and each recipient gets an order with the tokens of its own domain, for each epoch that can still be
read. The links stay: by them the person is known again, whatever a late file calls them. The orders of different
recipients have nothing in common; two of them side by side say no more than that both came at the same time.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import polars as pl

from pseudonymize.canonical import CanonicalForm, form_labelled
from pseudonymize.links.linked import Linked
from pseudonymize.links.table import LINKING, LINKS_LABEL, links_folder, read_links
from pseudonymize.standard_input import canonical
from pseudonymize.suppression import SUPPRESSION_LABEL, Kind, read_list, write_list
from pseudonymize.tokens import Tokens, domain_label, domain_tokens, field_label, root_tokens, written
from pseudonymize.vault import Vault
from pseudonymize.vault_lock import locked
from pseudonymize.vault_record import Status
from recsys.contracts.document import encode_document
from recsys.contracts.erasure import ErasureOrder
from recsys.files import new_folder, write_text

_MODE: Final = 0o600


@dataclass(frozen=True, slots=True)
class Forgotten:
    """How many were asked for, how many of them were on the list already, by how many identifiers, and for whom."""

    people: int
    known: int
    identifiers: int
    recipients: tuple[str, ...]


def forget(vault: Vault, field: str, form: CanonicalForm, values: pl.Series, out: Path) -> Forgotten:
    """Put people on the suppression list, then write the orders into the new folder `out`.

    Raises:
        ContractError: A line that is no identifier of the field.
        OutputError: `out` is not empty or cannot be written.
    """
    people = canonical(values, form).unique()
    with new_folder(out, mode=0o700) as beside, locked(links_folder(vault.path), patience=LINKING):
        asked = _roots(vault, field, form, people)
        roots = _with_linked(vault, asked, action="forget")
        known = _suppress(vault, asked, roots)
        recipients = _write_orders(vault, roots, beside)
    newest = vault.record.roots[-1].generation
    identifiers = sum(len(tokens) for kind, tokens in roots.items() if kind.generation == newest)
    return Forgotten(len(people), known, identifiers, recipients)


def lift(vault: Vault, field: str, form: CanonicalForm, values: pl.Series) -> int:
    """Take people off the suppression list; how many were on it. What was erased stays erased.

    What is linked with them goes off it, too. They go by whatever canonical form and root they were put there, as `run`
    recognises them.

    Raises:
        ContractError: A line that is no identifier of the field.
    """
    people = canonical(values, form)
    kinds = [kind for kind in read_list(vault.path).kinds() if kind.field == field]
    labels = [field_label(field, kind.form, generation=kind.generation) for kind in kinds]
    key, *field_keys = vault.take("lift", SUPPRESSION_LABEL, *labels)
    held = np.zeros(len(values), np.bool_)
    read = {kind: form_labelled(kind.form).column(values) for kind in kinds}
    asked = {kind: root_tokens(own, read[kind].drop_nulls()) for kind, own in zip(kinds, field_keys, strict=True)}
    with locked(links_folder(vault.path), patience=LINKING):
        theirs = _with_linked(vault, asked, action="lift")
        with locked(vault.path):
            listed = read_list(vault.path)
            for kind, roots in asked.items():
                held[read[kind].is_not_null().to_numpy()] |= listed.of(kind).holds(key, roots)
            for roots in theirs.values():
                listed = listed.without(key, roots)
            write_list(vault.path, listed)
    return people.filter(held).n_unique()


def _roots(vault: Vault, field: str, form: CanonicalForm, people: pl.Series) -> dict[Kind, Tokens]:
    """The people's root tokens in every generation that is not destroyed, in one order."""
    kinds = [Kind(field, form.label, root.generation) for root in vault.record.roots if root.wrapped is not None]
    labels = [field_label(field, form.label, generation=kind.generation) for kind in kinds]
    keys = vault.take("forget", *labels)
    return {kind: root_tokens(key, people) for kind, key in zip(kinds, keys, strict=True)}


def _with_linked(vault: Vault, asked: Mapping[Kind, Tokens], *, action: str) -> dict[Kind, Tokens]:
    """The root tokens, and those of every identifier that is linked with one of them."""
    links = read_links(vault.path)
    (key,) = vault.take(action, LINKS_LABEL)
    found = {kind: [tokens] for kind, tokens in asked.items()}
    for kind, tokens in asked.items():
        for other, members in Linked(key, links, kind.generation).members(tokens).items():
            found.setdefault(other, []).append(members)
    return {kind: np.unique(np.concatenate(tokens), axis=0) for kind, tokens in found.items()}


def _suppress(vault: Vault, asked: Mapping[Kind, Tokens], roots: Mapping[Kind, Tokens]) -> int:
    (key,) = vault.take("forget", SUPPRESSION_LABEL)
    with locked(vault.path):
        listed = read_list(vault.path)
        known = max(int(listed.of(kind).holds(key, tokens).sum()) for kind, tokens in asked.items())
        for kind, tokens in roots.items():
            listed = listed.adding(key, kind, tokens, vault.now.date())
        write_list(vault.path, listed)
    return known


def _write_orders(vault: Vault, roots: Mapping[Kind, Tokens], folder: Path) -> tuple[str, ...]:
    readable = [epoch for epoch in vault.record.epochs if epoch.status is not Status.DESTROYED]
    keys = vault.take("forget", *(domain_label(epoch.lineage) for epoch in readable))
    by_domain: dict[str, list[str]] = {}
    for epoch, key in zip(readable, keys, strict=True):
        for kind, theirs in roots.items():
            if kind.generation == epoch.generation:
                by_domain.setdefault(epoch.domain, []).extend(written(domain_tokens(key, theirs), epoch.lineage))
    names: list[str] = []
    for recipient in vault.record.recipients:
        if recipient.domain in by_domain:
            order = ErasureOrder(
                order_id=secrets.token_hex(16),
                recipient=recipient.name,
                issued_at=vault.now,
                subjects=tuple(sorted(by_domain[recipient.domain])),  # in an order that says nothing about the others'
            )
            name = f"{recipient.name}.json"
            write_text(folder / name, encode_document(order).decode(), mode=_MODE)
            names.append(recipient.name)
    return tuple(sorted(names))
