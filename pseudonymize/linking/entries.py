"""From identifiers to what they are called in the links, under every field root that still exists."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from itertools import product
from typing import Final

import polars as pl

from pseudonymize.canonical import form_labelled
from pseudonymize.distinct import spread
from pseudonymize.fields import FieldPolicy
from pseudonymize.keys import BlockKey
from pseudonymize.links.table import ID, LINKS_LABEL, NODES, OTHER, PAIRS, Links, entries_of, ordered
from pseudonymize.suppression import SUPPRESSION_LABEL, read_list
from pseudonymize.tokens import field_label, root_tokens
from pseudonymize.vault import Vault

_WHAT: Final = ["field", "value"]
_TO: Final = ["to_field", "to_value"]
_TABLE: Final = pl.Schema(
    {**dict.fromkeys((*_WHAT, "form", "generation"), pl.String()), **dict.fromkeys(ID, pl.UInt64())}
)


class Entries:
    """The entries of some identifiers.

    `key` is the links' own; `table` has `field, value, form, generation, high, low`; `newest` is the generation of
    field roots that new tokens stand on.
    """

    def __init__(self, vault: Vault, policy: FieldPolicy, values: pl.DataFrame) -> None:
        self._values = {
            str(name): part["value"] for (name,), part in values.partition_by("field", as_dict=True).items()
        }
        alive = [root.generation for root in vault.record.roots if root.wrapped is not None]
        kinds = list(product(sorted(self._values), alive))
        forms = {name: policy.fields[name].form().label for name in self._values}
        labels = [field_label(name, forms[name], generation=number) for name, number in kinds]
        self.key: BlockKey
        self.key, *keys = vault.take("link", LINKS_LABEL, *labels)
        self.newest = alive[-1]
        parts = [pl.DataFrame(schema=_TABLE)]
        for (name, number), key in zip(kinds, keys, strict=True):
            own = entries_of(self.key, root_tokens(key, self._values[name])).with_columns(value=self._values[name])
            said = {"field": name, "form": forms[name], "generation": number}
            parts.append(own.with_columns(**{what: pl.lit(text) for what, text in said.items()}).select(list(_TABLE)))
        self.table = pl.concat(parts)

    def nodes(self, day: dt.date) -> pl.DataFrame:
        """All of them as nodes of the links, each a person of its own."""
        own = self.table.with_columns(to_high="high", to_low="low", day=pl.lit(day))
        return own.select(list(NODES))

    def edges(self, pairs: pl.DataFrame) -> pl.DataFrame:
        """Pairs of identifiers as edges of the links, under each field root."""
        known = self.table.select(*_WHAT, "generation", *ID)
        ends = known.rename(dict(zip([*_WHAT, *ID], [*_TO, *OTHER], strict=True)))
        found = pairs.join(known, on=_WHAT).join(ends, on=[*_TO, "generation"])
        return ordered(found.select(list(PAIRS))).unique()

    def forgotten(self, vault: Vault) -> pl.DataFrame:
        """The entries, `high, low`, of those who are on the suppression list, by whatever form and root."""
        listed = read_list(vault.path)
        kinds = [kind for kind in listed.kinds() if kind.field in self._values]
        gone = [pl.DataFrame(schema=dict.fromkeys(_WHAT, pl.String))]
        labels = [field_label(kind.field, kind.form, generation=kind.generation) for kind in kinds]
        key, *keys = vault.take("link", SUPPRESSION_LABEL, *labels)
        for kind, own in zip(kinds, keys, strict=True):
            values = self._values[kind.field]
            read = form_labelled(kind.form).column(values)
            held = pl.Series(listed.of(kind).holds(key, root_tokens(own, read.drop_nulls())))
            theirs = spread(held, read.is_not_null()).fill_null(value=False)
            gone.append(pl.DataFrame({"value": values.filter(theirs)}).select(field=pl.lit(kind.field), value="value"))
        return self.table.join(pl.concat(gone).unique(), on=_WHAT, how="semi").select(ID)

    def spoken(self, refused: pl.DataFrame) -> pl.DataFrame:
        """Refused edges of the newest field root, with the identifiers: for the custodian's eyes."""
        known = self.table.filter(generation=self.newest).select(*ID, *_WHAT)
        ends = known.rename(dict(zip([*ID, *_WHAT], [*OTHER, *_TO], strict=True)))
        return refused.join(known, on=ID).join(ends, on=OTHER).select("reason", *_WHAT, *_TO)

    def carried_over(self, links: Links) -> tuple[Links, int]:
        """The links with every separation under every field root, and how many could not be carried to the newest."""
        generations = links.nodes.select(*ID, "generation")
        old = links.apart.join(generations.filter(pl.col("generation") != self.newest).select(ID), on=ID, how="semi")
        if old.is_empty():
            return links, 0
        known = self.table.select(*ID, *_WHAT)
        ends = known.rename(dict(zip([*ID, *_WHAT], [*OTHER, *_TO], strict=True)))
        spoken = old.join(known, on=ID).join(ends, on=OTHER)
        again = self.edges(spoken.select(*_WHAT, *_TO).unique())
        apart = pl.concat([links.apart, again]).unique(maintain_order=True)
        return replace(links, apart=apart), len(old) - len(spoken)
