from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import polars as pl
import pytest
from support.commands import assert_clear_failure, run
from support.search import contents, found

from pseudonymize.canonical import FormName, canonical_form
from pseudonymize.domains import redomain
from pseudonymize.fields_check import load_fields
from pseudonymize.forgetting import forget, lift
from pseudonymize.gate.never import Never
from pseudonymize.keys import VaultError
from pseudonymize.rotation import destroy, rotate, rotate_root
from pseudonymize.run import Run
from pseudonymize.tokeniser import Tokeniser
from pseudonymize.vault import Vault, create_vault, open_vault
from recsys.contracts.document import decode_document
from recsys.contracts.erasure import ErasureOrder
from recsys.contracts.release import Release
from recsys.errors import ContractError

NOW = dt.datetime(2018, 1, 1, 12, tzinfo=dt.UTC)
CARD = "9840000000000017"  # two receipt lines, one customer, one redemption
FIELD = "loyalty_card"
Make = Callable[..., Release]


@pytest.fixture
def vault(tmp_path: Path) -> Vault:
    create_vault(tmp_path / "vault", kek_file=None, environ={}, now=NOW)
    return open_vault(tmp_path / "vault", kek_file=None, environ={}, now=NOW)


@pytest.fixture
def made(vault: Vault, shop: SimpleNamespace, fields_file: Path, tmp_path: Path) -> Make:
    def make(name: str, fields: Path = fields_file) -> Release:
        policy = load_fields(fields)
        tokeniser = Tokeniser(vault, policy.fields, vault.current("rec"), action="test")
        return Run(policy, tokeniser, Never(), NOW.date(), vault.path).write(shop.files, tmp_path / name).release

    return make


def erase(vault: Vault, fields_file: Path, out: Path, *cards: str) -> dict[str, ErasureOrder]:
    form = load_fields(fields_file).fields[FIELD].form()
    forget(vault, FIELD, form, pl.Series(cards), out)
    return {path.stem: decode_document(path.read_bytes(), ErasureOrder, where="") for path in out.iterdir()}


def test_a_late_file_does_not_bring_a_person_back(vault: Vault, made: Make, fields_file: Path, tmp_path: Path) -> None:
    before = made("before")
    orders = erase(vault, fields_file, tmp_path / "orders", f" {CARD}\n")
    (gone,) = orders["training"].subjects
    assert gone in pl.read_parquet(tmp_path / "before" / "subjects.parquet")["subject"]
    after = made("after")
    assert after.dropped["suppressed"] == 4
    assert sum(after.rows.values()) == sum(before.rows.values()) - 5  # and one demographic attribute
    assert not found(contents(tmp_path / "after"), [gone])
    assert found(contents(tmp_path / "before"), [gone]) == [gone]  # the control


def test_every_recipient_gets_the_tokens_of_its_own_domain_and_of_every_epoch(
    vault: Vault, made: Make, fields_file: Path, tmp_path: Path
) -> None:
    made("one")
    rotate(vault, "rec")
    made("two")
    rotate_root(vault)
    made("three")
    vault.current("ads")
    orders = erase(vault, fields_file, tmp_path / "orders", CARD)
    assert sorted(orders) == ["ads", "serving", "training"]
    people = {pl.read_parquet(tmp_path / name / "subjects.parquet")["subject"][0] for name in ("one", "two", "three")}
    assert set(orders["training"].subjects) == set(orders["serving"].subjects) == people
    assert {token[:7] for token in orders["ads"].subjects} == {"s1.ads."}
    assert len({order.order_id for order in orders.values()}) == 3
    assert {path.stat().st_mode & 0o777 for path in (tmp_path / "orders").iterdir()} == {0o600}


def test_a_changed_form_or_root_still_knows_who_was_forgotten(
    vault: Vault, made: Make, fields_file: Path, tmp_path: Path
) -> None:
    erase(vault, fields_file, tmp_path / "orders", CARD)
    rotate_root(vault)
    assert made("new root").dropped["suppressed"] == 4
    changed = tmp_path / "dates.toml"
    text = fields_file.read_text().replace('canonical = "text" #', 'canonical = "date"\nlayout = "%d" #', 1)
    changed.write_text(text)
    with pytest.raises(ContractError, match="not one of its rows"):
        made("no dates", changed)  # a form that reads none of them: nothing passes, forgotten or not
    with pytest.raises(Exception, match="no retired epoch"):
        destroy(vault, None, None)  # the old root is kept for the list's sake


def test_a_partners_file_of_tokens_is_checked_too(vault: Vault, made: Make, fields_file: Path, tmp_path: Path) -> None:
    made("before")
    erase(vault, fields_file, tmp_path / "orders", CARD)
    moved = redomain(vault, "rec", "ads", tmp_path / "before" / "purchases.parquet", tmp_path / "ads.parquet")
    assert (moved.rows, moved.suppressed) == (1, 2)


def test_a_person_may_come_back(vault: Vault, made: Make, fields_file: Path, tmp_path: Path) -> None:
    before = made("before")
    erase(vault, fields_file, tmp_path / "orders", CARD, "9840000000000025")
    form = load_fields(fields_file).fields[FIELD].form()
    assert lift(vault, FIELD, form, pl.Series([CARD, CARD, "9840000000000025", "never here"])) == 2
    assert made("after").fingerprint == before.fingerprint


def test_who_was_forgotten_in_another_form_may_come_back_too(vault: Vault, fields_file: Path, tmp_path: Path) -> None:
    near, far = "020 7946 0958", "+44 20 7946 0958"  # one number in its form today, two texts in that of then
    erase(vault, fields_file, tmp_path / "orders", near)
    rotate_root(vault)
    phone = canonical_form(FormName.PHONE, "GB")
    assert lift(vault, FIELD, phone, pl.Series([far])) == 0
    assert lift(vault, FIELD, phone, pl.Series([far, near])) == 1
    assert pl.read_parquet(vault.path / "suppressed.parquet").is_empty()


def test_the_list_alone_tells_nothing(vault: Vault, made: Make, fields_file: Path, tmp_path: Path) -> None:
    made("before")
    orders = erase(vault, fields_file, tmp_path / "orders", CARD)
    listed = pl.read_parquet(vault.path / "suppressed.parquet")
    assert (vault.path / "suppressed.parquet").stat().st_mode & 0o777 == 0o600
    assert listed.height == 1
    assert not found(contents(vault.path), [CARD, *orders["training"].subjects])


@pytest.mark.parametrize(
    ("mode", "message"), [(0o600, "the suppression list is damaged"), (0o640, "others can read it")]
)
def test_a_list_that_cannot_be_trusted_stops_the_run(vault: Vault, made: Make, mode: int, message: str) -> None:
    file = vault.path / "suppressed.parquet"
    file.write_bytes(b"PAR1")
    file.chmod(mode)
    with pytest.raises(VaultError, match=rf"suppressed\.parquet: .*{message}"):
        made("none")


@pytest.mark.slow
def test_the_commands(vault: Vault, fields_file: Path, tmp_path: Path) -> None:
    words = ["--vault", vault.path, "--fields", fields_file, "--field"]
    out = tmp_path / "orders"
    done = run("pseudonymize", "forget", *words, FIELD, "--out", out, stdin=f"{CARD}\n")
    assert done.returncode == 0, done.stderr
    assert CARD not in done.stderr + done.stdout
    assert json.loads((out / "serving.json").read_text())["recipient"] == "serving"
    refused = run("pseudonymize", "token", *words, FIELD, stdin=f"x\n{CARD}\n")
    assert_clear_failure(refused, "line 2 is of somebody who was forgotten")
    assert run("pseudonymize", "lift", *words, FIELD, stdin=f"{CARD}\n").returncode == 0
    assert_clear_failure(
        run("pseudonymize", "forget", *words, "receipt", "--out", tmp_path / "o", stdin="R-1\n"),
        "names nobody in this field policy",
        status=2,
    )
