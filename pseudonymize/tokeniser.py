"""From a column of identifiers to a column of tokens, working on its distinct values only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import polars as pl

from pseudonymize.canonical import CanonicalForm, form_labelled
from pseudonymize.canonical.text import text_column
from pseudonymize.cmac import cmac_of_parts
from pseudonymize.distinct import Coded, encoded_unless_few, spread
from pseudonymize.fields import Field, nearest
from pseudonymize.keys import BlockKey
from pseudonymize.ledger import Ledger
from pseudonymize.links.linked import Linked, check_current
from pseudonymize.links.table import LINKS_LABEL
from pseudonymize.parts import Parts
from pseudonymize.sixteen_bytes import Entries
from pseudonymize.suppression import SUPPRESSION_LABEL, Kind, read_list
from pseudonymize.tokens import Tokens, domain_label, domain_tokens, field_label, root_tokens, unwritten, written
from pseudonymize.vault import Vault
from pseudonymize.vault_record import EpochRecord
from recsys.errors import UsageError


@dataclass(frozen=True, slots=True)
class Tokenised:
    """A column of tokens, empty where there is none; `unread` is true where a filled cell could not be read."""

    coded: Coded
    unread: pl.Series

    @property
    def tokens(self) -> pl.Series:
        """The token of every row."""
        return self.coded.text


@dataclass(frozen=True, slots=True)
class FieldCount:
    """The distinct values of one field in a run: as written, and as people. The difference are merges."""

    written: int
    canonical: int


class Tokeniser:
    """Makes the tokens of one run, for one domain and epoch, and remembers what it saw to count collisions.

    Where it lives long, `counting` is false, and it remembers nothing.
    """

    def __init__(
        self, vault: Vault, fields: Mapping[str, Field], epoch: EpochRecord, *, action: str, counting: bool = True
    ) -> None:
        self.lineage, self._generation = epoch.lineage, epoch.generation
        self._forms = {name: field.form() for name, field in fields.items()}
        own = [field_label(name, form.label, generation=epoch.generation) for name, form in self._forms.items()]
        listed = read_list(vault.path)
        kinds = [kind for kind in listed.kinds() if kind.field in fields]
        theirs = [field_label(kind.field, kind.form, generation=kind.generation) for kind in kinds]
        links = check_current(vault.path, fields, epoch.generation)
        of_people = [LINKS_LABEL] * (not links.nodes.is_empty())
        of_the_gone = [SUPPRESSION_LABEL] * bool(kinds)
        keys = vault.take(action, domain_label(epoch.lineage), *own, *of_people, *of_the_gone, *theirs)
        self._domain_key = keys[0]
        self._field_keys = dict(zip(self._forms, keys[1:], strict=False))
        self._links = Linked(keys[1 + len(own)], links, epoch.generation) if of_people else None
        self._several: pl.Series | None = None
        more = keys[1 + len(own) + len(of_people) :]
        of_kinds = {kind: listed.of(kind).entries() for kind in kinds}
        self._suppressed = _Suppressed(of_kinds, more[0], dict(zip(kinds, more[1:], strict=True))) if kinds else None
        self._suppressed_tokens: set[str] = set()
        self._noted = Entries(np.empty((0, 2), np.uint64))
        self._ledgers = {name: Ledger(counting=counting) for name in fields}

    def tokens(self, field: str, values: pl.Series | Coded) -> Tokenised:
        """The token of every value of a text column."""
        coded = values if isinstance(values, Coded) else encoded_unless_few(values)
        distinct, places = coded.values, coded.places
        canonical = self.form(field).column(distinct)
        read = canonical.is_not_null() if canonical.has_nulls() else None
        filled = canonical if read is None else canonical.filter(read)
        roots = root_tokens(self._field_keys[field], filled)
        self._ledgers[field].add(distinct if read is None else distinct.filter(read), filled, roots)
        persons = roots if self._links is None else self._links.persons(roots)
        tokens = written(domain_tokens(self._domain_key, persons), self.lineage)
        unread = None
        if read is not None:
            tokens, unread = spread(tokens, read), ~read & text_column(distinct).is_not_null()
        if self._suppressed is not None:
            own = _Read(self._kind(field), roots, read)
            self._suppressed_tokens |= set(tokens.filter(self._suppressed.among(distinct, own)).drop_nulls())
        rows = coded._replace(values=tokens.alias(distinct.name))
        return Tokenised(
            rows, _nowhere(len(places)) if unread is None else unread.gather(places).fill_null(value=False)
        )

    def tokens_of_canonical(self, field: str, values: Parts) -> Tokens | None:
        """The tokens, not written out, of values in their field's form.

        None where somebody among them may have been forgotten: ask `tokens`, then.
        """
        roots = cmac_of_parts(self._field_keys[field], values)
        if self._suppressed is not None and self._suppressed.some_of(self._kind(field), roots):
            return None
        persons = roots if self._links is None else self._links.persons(roots)
        tokens = domain_tokens(self._domain_key, persons)
        if len(self._noted) != len(self._suppressed_tokens):
            self._noted = Entries(unwritten(pl.Series(sorted(self._suppressed_tokens)), self.lineage))
        return None if self._noted.holds(tokens).any() else tokens

    def form(self, field: str) -> CanonicalForm:
        """The canonical form of a field, or `UsageError`."""
        if field not in self._forms:
            mend = nearest(field, self._forms, otherwise=f"The fields are: {', '.join(self._forms)}")
            raise UsageError(f"there is no field {field!r}", where="the field policy", mend=mend)
        return self._forms[field]

    def _kind(self, field: str) -> Kind:
        return Kind(field, self.form(field).label, self._generation)

    def suppressed(self, tokens: pl.Series) -> pl.Series:
        """Which tokens are of people who were forgotten."""
        if not self._suppressed_tokens:
            return _nowhere(len(tokens))
        return tokens.is_in(sorted(self._suppressed_tokens)).fill_null(value=False)

    def linked(self, tokens: pl.Series) -> pl.Series:
        """Which tokens are of people who are known by several identifiers."""
        if self._links is None:
            return _nowhere(len(tokens))
        if self._several is None:
            self._several = written(domain_tokens(self._domain_key, self._links.several()), self.lineage)
        return tokens.is_in(self._several.implode()).fill_null(value=False)

    @property
    def knows_suppressed(self) -> bool:
        """Whether anybody was forgotten by one of the fields."""
        return self._suppressed is not None

    def check_collisions(self) -> dict[str, FieldCount]:
        """The number of distinct values of each field, or `RecsysError` where two have one token."""
        return {field: FieldCount(ledger.written, ledger.check(field)) for field, ledger in self._ledgers.items()}


class _Read(NamedTuple):
    """Root tokens, and which values they are of; None: of all."""

    kind: Kind
    roots: Tokens
    read: pl.Series | None


@dataclass(frozen=True, slots=True)
class _Suppressed:
    """The suppression list, with the keys of every kind of root token on it."""

    entries: Mapping[Kind, Entries]
    key: BlockKey
    field_keys: Mapping[Kind, BlockKey]

    def among(self, values: pl.Series, own: _Read) -> pl.Series:
        """Which values are of people on the list, by whatever canonical form and root they were put there."""
        found = _nowhere(len(values))
        for kind, key in self.field_keys.items():
            if kind == own.kind:
                read, roots = own.read, own.roots
            elif kind.field == own.kind.field:
                canonical = form_labelled(kind.form).column(values)
                read, roots = canonical.is_not_null(), root_tokens(key, canonical.drop_nulls())
            else:
                continue
            held = pl.Series(self.entries[kind].holds(self.key.encrypt_blocks(roots)))
            if held.any():
                found |= held if read is None else spread(held, read).fill_null(value=False)
        return found

    def some_of(self, own: Kind, roots: Tokens) -> bool:
        """Whether a value of these root tokens is on the list; also where only its text could tell."""
        if any(kind.field == own.field and kind != own for kind in self.field_keys):
            return True
        return own in self.entries and bool(self.entries[own].holds(self.key.encrypt_blocks(roots)).any())


def _nowhere(rows: int) -> pl.Series:
    return pl.Series([False]).new_from_index(0, rows)
