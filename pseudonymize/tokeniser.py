"""From a column of identifiers to a column of tokens, working on its distinct values only."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl
import pyarrow as pa

from pseudonymize.canonical import FORMS
from pseudonymize.fields import Field, nearest
from pseudonymize.ledger import Ledger
from pseudonymize.tokens import domain_label, domain_tokens, field_label, root_tokens, written
from pseudonymize.vault import Vault
from recsys.contracts.token import Lineage
from recsys.errors import UsageError


class Tokeniser:
    """Makes the tokens of one run, for one domain and epoch, and remembers what it saw to count collisions."""

    def __init__(self, vault: Vault, fields: Mapping[str, Field], lineage: Lineage) -> None:
        self.lineage = lineage
        self._forms = {name: FORMS[field.canonical] for name, field in fields.items()}
        self._field_keys = {name: vault.key(field_label(name, form.label)) for name, form in self._forms.items()}
        self._domain_key = vault.key(domain_label(lineage))
        self._ledgers = {name: Ledger() for name in fields}

    def tokens(self, field: str, values: pl.Series) -> pl.Series:
        """The token of every value of a text column; empty where the cell is, or where nothing is left of it."""
        if field not in self._forms:
            mend = nearest(field, self._forms, otherwise=f"The fields are: {', '.join(self._forms)}")
            raise UsageError(f"there is no field {field!r}", where="the field policy", mend=mend)
        encoded = values.to_arrow(compat_level=pl.CompatLevel.oldest()).dictionary_encode()
        distinct = pl.Series(pl.from_arrow(encoded.dictionary), dtype=pl.String)
        canonical = self._forms[field].column(distinct)
        filled = canonical.drop_nulls()
        roots = root_tokens(self._field_keys[field], filled)
        self._ledgers[field].add(filled, roots)
        tokens = written(domain_tokens(self._domain_key, roots), self.lineage)
        by_distinct = _spread(tokens, canonical.is_not_null())
        return by_distinct.gather(_series(encoded.indices)).alias(values.name)

    def check_collisions(self) -> dict[str, int]:
        """The number of distinct canonical values of each field, or `RecsysError` where two have one token."""
        return {field: ledger.check(field) for field, ledger in self._ledgers.items()}


def _spread(values: pl.Series, places: pl.Series) -> pl.Series:
    """`values` in order at the true places, empty cells elsewhere."""
    if places.all():
        return values
    return pl.Series([None] * len(places), dtype=values.dtype).scatter(places.arg_true(), values)


def _series(array: pa.Array) -> pl.Series:
    return pl.Series(pl.from_arrow(array), dtype=pl.UInt32)
