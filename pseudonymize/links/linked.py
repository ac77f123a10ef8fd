"""Asking the links: whose an identifier is, and what else is theirs. Every stage of the gate asks here."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import polars as pl

from pseudonymize.fields import Field
from pseudonymize.keys import BlockKey, VaultError
from pseudonymize.links.table import ID, OTHER, Links, as_array, entries_of, read_links, roots_of_entries
from pseudonymize.sixteen_bytes import Entries
from pseudonymize.suppression import Kind
from pseudonymize.tokens import Tokens

_KIND = ["field", "form", "generation"]


class Linked:
    """The links of one generation of field roots."""

    def __init__(self, key: BlockKey, links: Links, generation: str) -> None:
        self._key = key
        self._nodes = links.nodes.filter(generation=generation)
        moved = (pl.col("high") != pl.col("to_high")) | (pl.col("low") != pl.col("to_low"))
        self._moved = self._nodes.filter(moved).select(*ID, *OTHER)
        self._from, self._to = Entries(as_array(self._moved.select(ID))), as_array(self._moved.select(OTHER))

    def persons(self, roots: Tokens) -> Tokens:
        """For each identifier the root token that the person's tokens are made of; its own where it stands alone."""
        if not len(self._from):
            return roots
        places = self._from.places(self._key.encrypt_blocks(roots))
        linked = np.flatnonzero(places >= 0)
        if not len(linked):
            return roots
        persons = roots.copy()
        persons[linked] = self._key.decrypt_blocks(self._to[places[linked]])
        return persons

    def several(self) -> Tokens:
        """The root tokens of the people who have more than one identifier."""
        return roots_of_entries(self._key, self._moved.select(OTHER).unique())

    def members(self, roots: Tokens) -> dict[Kind, Tokens]:
        """All identifiers of the people whose identifiers these are; of a stranger, none."""
        own = self._nodes.join(entries_of(self._key, roots), on=ID, how="semi").select(OTHER).unique()
        theirs = self._nodes.join(own, on=OTHER, how="semi")
        return {
            Kind(*map(str, kind)): roots_of_entries(self._key, part.select(ID))
            for kind, part in theirs.partition_by(_KIND, as_dict=True).items()
        }


def check_current(vault: Path, fields: Mapping[str, Field], generation: str) -> Links:
    """The vault's links, if what they say of `fields` still holds.

    Raises:
        VaultError: They were made with another canonical form or field root, and would say nothing: people fall apart.
    """
    links = read_links(vault)
    known = {tuple(row) for row in links.nodes.select(_KIND).unique().iter_rows()}
    for name in {field for field, _, _ in known} & fields.keys():
        if (name, fields[name].form().label, generation) not in known:
            raise VaultError(
                f"the links know {name!r} by another canonical form or field root than today's",
                where=str(vault),
                mend="Run `recsys-pseudonymize link` again, with the raw files",
            )
    return links
