"""What somebody with the released tables can do, and cannot; each with the control that shows the attack works."""

from __future__ import annotations

import datetime as dt
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import polars as pl
import pytest
from support.search import contents, found

from pseudonymize.fields import Field
from pseudonymize.report import RunReport
from pseudonymize.tokeniser import Tokeniser
from pseudonymize.vault import Vault, create_vault, open_vault
from recsys.errors import ContractError

NOW = dt.datetime(2018, 1, 1, tzinfo=dt.UTC)
PHONES = pl.Series([f"+4420794{number:05}" for number in range(2000)])
Release = Callable[..., RunReport]


def tokens(vault: Vault, values: pl.Series, domain: str = "rec") -> pl.Series:
    return Tokeniser(vault, {"phone": Field()}, vault.current(domain), action="test").tokens("phone", values).tokens


def test_a_dictionary_recovers_nobody_without_the_key_and_everybody_with_it(tmp_path: Path) -> None:
    ours, attackers = (tmp_path / name for name in ("ours", "attackers"))
    for path in (ours, attackers):
        create_vault(path, kek_file=None, environ={}, now=NOW)
    vault, guess = (open_vault(path, kek_file=None, environ={}, now=NOW) for path in (ours, attackers))
    released = tokens(vault, PHONES)
    dictionary = pl.concat([PHONES, pl.Series([f"+4420795{number:05}" for number in range(2000)])])
    assert tokens(guess, dictionary).is_in(released.to_list()).sum() == 0
    assert tokens(vault, dictionary).is_in(released.to_list()).sum() == 2000


def test_two_domains_side_by_side_share_nothing(vault: Vault) -> None:
    rec, ads = (tokens(vault, PHONES, domain).str.slice(-26) for domain in ("rec", "ads"))
    assert rec.is_in(ads.to_list()).sum() == 0
    assert rec.is_in(tokens(vault, PHONES).str.slice(-26).to_list()).all()


def test_how_often_a_token_comes_tells_what_it_is_so_that_such_a_column_is_refused(
    shop: SimpleNamespace, release: Release, vault: Vault, tmp_path: Path
) -> None:
    towns = [f"town {rank}" for rank in range(8) for _ in range(2 ** (10 - rank))]
    counted = tokens(vault, pl.Series(towns)).value_counts(sort=True)
    known = pl.Series(towns).value_counts(sort=True)
    first = tokens(vault, known[:, 0])
    assert (counted[:, 0] == first).all()  # the attack: the ranks alone name every token
    frame = pl.DataFrame(shop.receipts).select(pl.all().gather([0] * len(towns)))
    frame.with_columns(receipt=pl.Series(towns)).write_parquet(shop.files[1])
    with pytest.raises(ContractError, match="column 'receipt' has 8 distinct values"):
        release(shop.files, tmp_path / "out")


@pytest.mark.slow
def test_nothing_shows_in_the_process_table_or_in_temporary_files(
    shop: SimpleNamespace, vault_folder: Path, fields_file: Path, tmp_path: Path
) -> None:
    """While a run reads from a slow pipe: its arguments, its environment, its temporary folder."""
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    words = ["-m", "pseudonymize", "token", "--vault", vault_folder, "--fields", fields_file, "--field", "loyalty_card"]
    process = subprocess.Popen(  # noqa: S603 - our own command
        [sys.executable, *map(str, words)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "TMPDIR": str(temporary)},
    )
    assert process.stdin is not None
    process.stdin.write(shop.identifiers[0].encode() + b"\n")
    process.stdin.flush()
    time.sleep(1)
    shown = b"".join(Path(f"/proc/{process.pid}/{name}").read_bytes() for name in ("cmdline", "environ"))
    written = contents(temporary) + b"".join(path.name.encode() for path in temporary.rglob("*"))
    out, _ = process.communicate(timeout=60)
    assert out.startswith(b"s1.rec.01.")
    key = (vault_folder / "kek").read_text().strip()
    assert found(shown + written, [shop.identifiers[0], key]) == []
    assert found(shown, [str(vault_folder)]) == [str(vault_folder)]  # the control: this is where it would show


@pytest.mark.parametrize("value", ["9840\x000017", "\u202e9840000000000017", "984000000000\u0660017", "\ufeff98"])
def test_odd_characters_make_tokens_of_their_own_and_no_error(vault: Vault, value: str) -> None:
    made = tokens(vault, pl.Series([value, "9840000000000017", "98400017"]))
    assert made.n_unique() == 3
