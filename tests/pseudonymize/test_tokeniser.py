from __future__ import annotations

import datetime as dt
import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.keywrap import aes_key_unwrap_with_padding
from hypothesis import given
from hypothesis import strategies as st

from pseudonymize.canonical.text import text
from pseudonymize.fields import Field
from pseudonymize.fields_check import load_fields
from pseudonymize.ledger import Ledger
from pseudonymize.reference import domain_token, root_token, written_token
from pseudonymize.rotation import rotate, rotate_root
from pseudonymize.tokeniser import FieldCount, Tokeniser
from pseudonymize.tokens import domain_label, field_label, unwritten, written
from pseudonymize.vault import Vault, create_vault, open_vault
from recsys.contracts.token import TOKEN_PATTERN, Lineage
from recsys.errors import RecsysError, UsageError

NOW = dt.datetime(2018, 1, 1, tzinfo=dt.UTC)
LINEAGE = Lineage("rec", "01")


def secret_roots(folder: Path) -> tuple[bytes, bytes]:
    """The field root and the secret of rec.01, unwrapped by hand."""
    kek = bytes.fromhex((folder / "kek").read_text())
    record = json.loads((folder / "vault.json").read_text())
    wrapped = (record["roots"][0]["wrapped"], record["epochs"][0]["wrapped"])
    root, epoch = (aes_key_unwrap_with_padding(kek, bytes.fromhex(text)) for text in wrapped)
    return root, epoch


def derived(secret: bytes, info: bytes) -> bytes:
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=info).derive(secret)


@given(st.lists(st.one_of(st.none(), st.text(max_size=40))))
def test_tokens_agree_with_the_reference(
    vault_folder: Path, shared_tokeniser: Tokeniser, values: list[str | None]
) -> None:
    root, epoch = secret_roots(vault_folder)
    field_key = derived(root, field_label("loyalty_card", "text/1", generation="01").encoded())
    domain_key = derived(epoch, domain_label(LINEAGE).encoded())
    expected = [
        written_token(domain_token(domain_key, root_token(field_key, text(value))), LINEAGE)
        if value and text(value)
        else None
        for value in values
    ]
    tokens = shared_tokeniser.tokens("loyalty_card", pl.Series(values, dtype=pl.String)).tokens
    assert tokens.to_list() == expected
    assert tokens.drop_nulls().str.contains(TOKEN_PATTERN).all()


def test_the_labels_that_every_token_ever_made_stands_on() -> None:
    """Changing one of these makes every token anew; it is not a refactoring."""
    label = field_label("card", "text/1", generation="01").encoded()
    assert label == b"\0\0\0\nroot token\0\0\0\4card\0\0\0\0\0\0\0\00201\0\0\0\6text/1"
    assert domain_label(LINEAGE).encoded() == b"\0\0\0\x0cdomain token\0\0\0\0\0\0\0\3rec\0\0\0\00201\0\0\0\0"


def test_domains_epochs_and_fields_share_no_token(tmp_path: Path) -> None:
    create_vault(tmp_path / "v", kek_file=None, environ={}, now=NOW)
    vault = open_vault(tmp_path / "v", kek_file=None, environ={}, now=NOW)
    values = pl.Series([f"card {number}" for number in range(1000)])
    fields = {"card": Field(), "phone": Field()}

    def random_part(domain: str, field: str) -> pl.Series:
        made = Tokeniser(vault, fields, vault.current(domain), action="test").tokens(field, values).tokens
        return made.str.slice(-26)

    made = [random_part("rec", "card"), random_part("ads", "card"), random_part("rec", "phone")]
    assert rotate(vault, "rec").epoch == "02"
    made.append(random_part("rec", "card"))
    assert rotate_root(vault).generation == "02"
    made.append(random_part("rec", "card"))
    assert pl.concat(made).n_unique() == 5000


def test_the_same_person_in_another_run_and_writing(vault: Vault) -> None:
    one, other = (Tokeniser(vault, {"card": Field()}, vault.current("rec"), action="test") for _ in range(2))
    first = one.tokens("card", pl.Series(["x", "Card 7 ", "y"])).tokens
    second = other.tokens("card", pl.Series(["CARD 7"])).tokens
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
    assert tokeniser.check_collisions()["receipt"] == FieldCount(written=3, canonical=2)


def test_a_collision_stops_the_run() -> None:
    ledger = Ledger()
    roots = np.array([[1, 2], [3, 4], [1, 2]], np.uint64)
    ledger.add(pl.Series(["A", "B"]), pl.Series(["canary a", "canary b"]), roots[:2])
    assert ledger.check("card") == 2
    ledger.add(pl.Series(["C", "A"]), pl.Series(["canary c", "canary a"]), roots[[2, 0]])
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
        values = pl.Series(numbers).cast(pl.String)
        ledger.add(values, values, roots)
    assert ledger.check("card") == ledger.written == len(seen)


@given(st.lists(st.lists(st.sampled_from(["ada", "Ada", "bert", "BERT", "cleo"]), max_size=4), max_size=5))
def test_ways_of_writing_are_counted_whichever_batch_brings_the_first_other_one(batches: list[list[str]]) -> None:
    ledger = Ledger()
    for batch in batches:
        written = pl.Series(batch, dtype=pl.String)
        roots = np.array([[len(one), ord(one[0].lower())] for one in batch], np.uint64).reshape(-1, 2)
        ledger.add(written, written.str.to_lowercase(), roots)
    cells = {cell for batch in batches for cell in batch}
    assert ledger.check("card") == len({cell.lower() for cell in cells})
    assert ledger.written == len(cells)


@given(st.lists(st.binary(min_size=16, max_size=16)))
def test_a_written_token_is_read_back(blocks: list[bytes]) -> None:
    tokens = np.frombuffer(b"".join(blocks), np.uint64).reshape(-1, 2)
    column = pl.concat([pl.Series(["s1.rec.01." + "a" * 26]), written(tokens, LINEAGE)])
    assert unwritten(column[1:], LINEAGE).tobytes() == tokens.tobytes()
    assert column[1:].to_list() == [written_token(block, LINEAGE) for block in blocks]


def test_one_that_lives_long_makes_the_same_tokens_and_notes_nothing(
    vault: Vault, tokeniser: Tokeniser, fields_file: Path
) -> None:
    fields = load_fields(fields_file).fields
    lasting = Tokeniser(vault, fields, vault.current("rec"), action="test", counting=False)
    values = pl.Series([" Ada", "bert", "ada", None])
    assert lasting.tokens("loyalty_card", values).tokens.equals(tokeniser.tokens("loyalty_card", values).tokens)
    assert tokeniser.check_collisions()["loyalty_card"].canonical == 2
    assert lasting.check_collisions()["loyalty_card"].canonical == 0
