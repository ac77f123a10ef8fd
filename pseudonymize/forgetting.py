"""Forgetting a person, and bringing one back.

From an identifier: its root tokens under every field root go on the suppression list, and each recipient gets an
order with the tokens of its own domain, one for each epoch that can still be read. The orders of different recipients
have nothing in common; two of them side by side say no more than that both came at the same time.
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
    """How many people were asked for, how many were on the list already, and the orders' recipients."""

    people: int
    known: int
    recipients: tuple[str, ...]


def forget(vault: Vault, field: str, form: CanonicalForm, values: pl.Series, out: Path) -> Forgotten:
    """Put people on the suppression list, then write the orders into the new folder `out`.

    Raises:
        ContractError: A line that is no identifier of the field.
        OutputError: `out` is not empty or cannot be written.
    """
    people = canonical(values, form).unique()
    with new_folder(out, mode=0o700) as beside:
        roots = _roots(vault, field, form, people)
        known = _suppress(vault, field, form, roots)
        recipients = _write_orders(vault, roots, beside)
    return Forgotten(len(people), known, recipients)


def lift(vault: Vault, field: str, form: CanonicalForm, values: pl.Series) -> int:
    """Take people off the suppression list; how many were on it. What was erased stays erased.

    They go by whatever canonical form and root they were put there, as `run` recognises them.

    Raises:
        ContractError: A line that is no identifier of the field.
    """
    people = canonical(values, form)
    kinds = [kind for kind in read_list(vault.path).kinds() if kind.field == field]
    labels = [field_label(field, kind.form, generation=kind.generation) for kind in kinds]
    key, *field_keys = vault.take("lift", SUPPRESSION_LABEL, *labels)
    held = np.zeros(len(values), np.bool_)
    with locked(vault.path):
        listed = read_list(vault.path)
        for kind, field_key in zip(kinds, field_keys, strict=True):
            read = form_labelled(kind.form).column(values)
            roots = root_tokens(field_key, read.drop_nulls())
            held[read.is_not_null().to_numpy()] |= listed.of(kind).holds(key, roots)
            listed = listed.without(key, roots)
        write_list(vault.path, listed)
    return people.filter(held).n_unique()


def _roots(vault: Vault, field: str, form: CanonicalForm, people: pl.Series) -> dict[str, Tokens]:
    """The people's root tokens in every generation that is not destroyed, in one order."""
    generations = [root.generation for root in vault.record.roots if root.wrapped is not None]
    keys = vault.take("forget", *(field_label(field, form.label, generation=number) for number in generations))
    return {number: root_tokens(key, people) for number, key in zip(generations, keys, strict=True)}


def _suppress(vault: Vault, field: str, form: CanonicalForm, roots: Mapping[str, Tokens]) -> int:
    (key,) = vault.take("forget", SUPPRESSION_LABEL)
    with locked(vault.path):
        listed = read_list(vault.path)
        known = 0
        for generation, tokens in roots.items():
            kind = Kind(field, form.label, generation)
            known = max(known, int(listed.of(kind).holds(key, tokens).sum()))
            listed = listed.adding(key, kind, tokens, vault.now.date())
        write_list(vault.path, listed)
    return known


def _write_orders(vault: Vault, roots: Mapping[str, Tokens], folder: Path) -> tuple[str, ...]:
    readable = [epoch for epoch in vault.record.epochs if epoch.status is not Status.DESTROYED]
    keys = vault.take("forget", *(domain_label(epoch.lineage) for epoch in readable))
    by_domain: dict[str, list[str]] = {}
    for epoch, key in zip(readable, keys, strict=True):
        if epoch.generation in roots:
            tokens = written(domain_tokens(key, roots[epoch.generation]), epoch.lineage)
            by_domain.setdefault(epoch.domain, []).extend(tokens)
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
