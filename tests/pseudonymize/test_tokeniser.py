from __future__ import annotations

from typing import Protocol

import numpy as np
import polars as pl
import pytest
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from hypothesis import given
from hypothesis import strategies as st

from pseudonymize.canonical import text
from pseudonymize.fields import Field
from pseudonymize.keys import RootSecret
from pseudonymize.ledger import Ledger
from pseudonymize.tokeniser import Tokeniser
from pseudonymize.tokens import domain_label, field_label, written
from pseudonymize.vault import Vault
from recsys.contracts.token import TOKEN_PATTERN, Lineage
from recsys.errors import RecsysError, UsageError

ROOT = b"a root secret of thirty-two byte"
LINEAGE = Lineage("rec", "01")


class Reference(Protocol):
    def token(self, field_key: bytes, domain_key: bytes, value: str, lineage: Lineage) -> str: ...


def derived(info: bytes) -> bytes:
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=info).derive(ROOT)


@given(st.lists(st.one_of(st.none(), st.text(max_size=40))))
def test_tokens_agree_with_the_reference(reference: Reference, values: list[str | None]) -> None:
    tokeniser = Tokeniser(Vault(RootSecret(ROOT)), {"card": Field()}, LINEAGE)
    field_key = derived(field_label("card", "text/1").encoded())
    domain_key = derived(domain_label(LINEAGE).encoded())
    expected = [
        reference.token(field_key, domain_key, text(value), LINEAGE) if value and text(value) else None
        for value in values
    ]
    tokens = tokeniser.tokens("card", pl.Series(values, dtype=pl.String))
    assert tokens.to_list() == expected
    assert tokens.drop_nulls().str.contains(TOKEN_PATTERN).all()


def test_the_labels_that_every_token_ever_made_stands_on() -> None:
    """Changing one of these makes every token anew; it is not a refactoring."""
    label = field_label("card", "text/1").encoded()
    assert label == b"\0\0\0\nroot token\0\0\0\4card\0\0\0\0\0\0\0\00201\0\0\0\6text/1"
    assert domain_label(LINEAGE).encoded() == b"\0\0\0\x0cdomain token\0\0\0\0\0\0\0\3rec\0\0\0\00201\0\0\0\0"


def test_domains_epochs_and_fields_share_no_token(vault: Vault) -> None:
    values = pl.Series([f"card {number}" for number in range(1000)])
    fields = {"card": Field(), "phone": Field()}
    made = [
        Tokeniser(vault, fields, Lineage(domain, epoch)).tokens(field, values).str.slice(-26)
        for domain, epoch, field in (
            ("rec", "01", "card"),
            ("ads", "01", "card"),
            ("rec", "02", "card"),
            ("rec", "01", "phone"),
        )
    ]
    assert pl.concat(made).n_unique() == 4000


def test_the_same_person_in_another_run_and_writing(vault: Vault) -> None:
    one, other = (Tokeniser(vault, {"card": Field()}, LINEAGE) for _ in range(2))
    first = one.tokens("card", pl.Series(["x", "Card 7 ", "y"]))
    second = other.tokens("card", pl.Series(["CARD 7"]))
    assert first[1] == second[0]


def test_written_form_of_known_bytes() -> None:
    tokens = np.frombuffer(bytes(16) + b"\xff" * 16 + bytes(range(16)), np.uint64).reshape(-1, 2)
    assert written(tokens, LINEAGE).to_list() == [
        "s1.rec.01." + "a" * 26,
        "s1.rec.01." + "7" * 25 + "4",
        "s1.rec.01.aaaqeayeaudaocajbifqydiob4",  # RFC 4648 base32 of 00 01 … 0f
    ]


def test_distinct_values_are_counted_once_whatever_the_batches(tokeniser: Tokeniser) -> None:
    for _ in range(3):
        tokeniser.tokens("receipt", pl.Series(["a", "A ", "b", None, " "]))
    assert tokeniser.check_collisions() == {"loyalty_card": 0, "receipt": 2}


def test_a_collision_stops_the_run() -> None:
    ledger = Ledger()
    roots = np.array([[1, 2], [3, 4], [1, 2]], np.uint64)
    ledger.add(pl.Series(["canary a", "canary b"]), roots[:2])
    assert ledger.check("card") == 2
    ledger.add(pl.Series(["canary c", "canary a"]), roots[[2, 0]])
    with pytest.raises(RecsysError, match=r"1 collisions among 3 distinct") as caught:
        ledger.check("card")
    assert "canary" not in str(caught.value)


def test_an_unknown_field_is_refused_with_the_nearest(tokeniser: Tokeniser) -> None:
    with pytest.raises(UsageError, match=r"'loyality_card'.*'loyalty_card'"):
        tokeniser.tokens("loyality_card", pl.Series(["x"]))


def test_many_batches_in_the_ledger_are_merged_without_losing_any() -> None:
    ledger = Ledger()
    rng = np.random.default_rng(7)
    seen: set[int] = set()
    for _ in range(12):
        numbers = rng.integers(0, 300_000, 60_000)
        seen.update(numbers.tolist())
        roots = np.stack([numbers, np.zeros_like(numbers)], axis=1).astype(np.uint64)
        ledger.add(pl.Series(numbers).cast(pl.String), roots)
    assert ledger.check("card") == len(seen)
