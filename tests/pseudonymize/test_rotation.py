"""A new epoch, the map to it, the receipts, the end of the old one; tables joined before and after."""

from __future__ import annotations

import datetime as dt
import json
import subprocess
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace

import polars as pl
import pytest
from msgspec.structs import replace
from support.commands import assert_clear_failure, no_leftovers, run

from pseudonymize.domains import epoch_map, redomain
from pseudonymize.fields_check import load_fields
from pseudonymize.gate.never import Never
from pseudonymize.keys import VaultError
from pseudonymize.raw_map import raw_map
from pseudonymize.rotation import destroy, retire, rotate, rotate_root
from pseudonymize.run import Run
from pseudonymize.tokeniser import Tokeniser
from pseudonymize.vault import Vault, create_vault, open_vault
from pseudonymize.vault_record import RecipientRecord, Status
from recsys.contracts.document import encode_document
from recsys.contracts.rekey import RekeyReceipt, read_map
from recsys.contracts.token import Lineage
from recsys.errors import RecsysError, UsageError

NOW = dt.datetime(2018, 1, 1, 12, tzinfo=dt.UTC)
OLD = Lineage("rec", "01")
Make = Callable[..., Path]


@pytest.fixture
def vault(tmp_path: Path) -> Vault:
    create_vault(tmp_path / "vault", kek_file=None, environ={}, now=NOW)
    return open_vault(tmp_path / "vault", kek_file=None, environ={}, now=NOW)


@pytest.fixture
def made(vault: Vault, shop: SimpleNamespace, fields_file: Path, tmp_path: Path) -> Make:
    def make(name: str, domain: str = "rec") -> Path:
        policy = load_fields(fields_file)
        tokeniser = Tokeniser(vault, policy.fields, vault.current(domain), action="test")
        Run(policy, tokeniser, Never(), NOW.date(), vault.path).write(shop.files, tmp_path / name)
        return tmp_path / name

    return make


def applied(table: Path, mapping: Path) -> pl.DataFrame:
    """A table after the map, as a recipient would apply it."""
    tokens = dict(read_map(mapping).tokens.iter_rows())
    return pl.read_parquet(table).with_columns(pl.col("^(subject|basket)$").replace_strict(tokens))


def receipt(path: Path, mapping: Path, recipient: str, **changes: object) -> Path:
    header = read_map(mapping).header
    said = {"destroyed": True, "replaced": {"purchases": 4}, "unmapped": {"purchases": 0}} | changes
    document = RekeyReceipt(
        map_id=header.map_id,
        recipient=recipient,
        domain=header.domain,
        from_epoch=header.from_epoch,
        to_epoch=header.to_epoch,
        applied_at=NOW,
        **said,
    )
    path.write_bytes(encode_document(document))
    return path


def add_recipient(vault: Vault, name: str, domain: str) -> None:
    made = RecipientRecord(name=name, domain=domain)
    vault.change("add recipient", lambda record: replace(record, recipients=(*record.recipients, made)))


@pytest.mark.parametrize("with_identifiers", [False, True])
def test_a_map_leads_to_what_a_new_run_makes(
    vault: Vault, made: Make, shop: SimpleNamespace, fields_file: Path, tmp_path: Path, *, with_identifiers: bool
) -> None:
    old = made("old")
    rotate_root(vault) if with_identifiers else rotate(vault, "rec")
    new, out = made("new"), tmp_path / "map.parquet"
    if with_identifiers:
        raw_map(vault, load_fields(fields_file), "rec", shop.files, out)
    else:
        epoch_map(vault, "rec", [old / "purchases.parquet", old / "subjects.parquet"], out)
    assert out.stat().st_mode & 0o777 == 0o600
    for table in ("purchases.parquet", "subjects.parquet"):
        assert applied(old / table, out).equals(pl.read_parquet(new / table))
    before, after = ({pl.read_parquet(at / "purchases.parquet")["subject"][0]} for at in (old, new))
    assert not before & after


def test_only_the_raw_files_lead_to_another_field_root(vault: Vault, made: Make, tmp_path: Path) -> None:
    old = made("old")
    rotate_root(vault)
    with pytest.raises(VaultError, match="different field roots"):
        epoch_map(vault, "rec", [old / "purchases.parquet"], tmp_path / "map.parquet")
    assert not (tmp_path / "map.parquet").exists()


def test_retiring_waits_for_every_recipient(vault: Vault, made: Make, tmp_path: Path) -> None:
    old = made("old")
    with pytest.raises(VaultError, match="newest epoch"):
        retire(vault, OLD, [])
    rotate(vault, "rec")
    mapping = tmp_path / "map.parquet"
    epoch_map(vault, "rec", [old / "purchases.parquet"], mapping)
    training, serving = (receipt(tmp_path / f"{name}.json", mapping, name) for name in ("training", "serving"))
    refused: list[tuple[Sequence[Path], str]] = [
        ([], "no receipt of serving, training"),
        ([training], "no receipt of serving"),
        ([training, receipt(tmp_path / "s.json", mapping, "serving", destroyed=False)], "serving kept the map"),
        ([training, receipt(tmp_path / "s2.json", mapping, "serving", unmapped={"events": 3})], "still holds 3"),
    ]
    for receipts, message in refused:
        with pytest.raises(VaultError, match=message):
            retire(vault, OLD, receipts)
    (tmp_path / "x.json").write_text("{}")
    with pytest.raises(RecsysError, match=r"x\.json"):
        retire(vault, OLD, [tmp_path / "x.json"])
    with pytest.raises(VaultError, match="no retired epoch"):
        destroy(vault, None, None)
    assert made("still readable").exists()
    retire(vault, OLD, [training, serving])
    assert vault.record.epoch(OLD).status is Status.RETIRED
    assert destroy(vault, "rec", None) == ["rec.01"]
    assert vault.record.epoch(OLD).wrapped is None
    with pytest.raises(VaultError, match=r"rec\.01 was destroyed"):
        redomain(vault, "rec", "ads", old / "purchases.parquet", tmp_path / "ads.parquet")
    assert vault.verify().entries > 5


def test_a_receipt_for_a_map_that_was_never_issued_counts_for_nothing(vault: Vault, made: Make, tmp_path: Path) -> None:
    old = made("old")
    rotate(vault, "rec")
    mapping = tmp_path / "map.parquet"
    epoch_map(vault, "rec", [old / "purchases.parquet"], mapping)
    invented = [receipt(tmp_path / f"{name}.json", mapping, name) for name in ("training", "serving")]
    for path in invented:
        path.write_text(path.read_text().replace(read_map(mapping).header.map_id, "0" * 32))
    with pytest.raises(VaultError, match="no receipt of"):
        retire(vault, OLD, invented)


def test_a_partner_shares_no_token_with_anyone(vault: Vault, made: Make, tmp_path: Path) -> None:
    purchases = made("old") / "purchases.parquet"
    for partner in ("ads", "bank"):
        assert redomain(vault, "rec", partner, purchases, tmp_path / f"{partner}.parquet").rows == 3
    frames = [pl.read_parquet(path) for path in (purchases, tmp_path / "ads.parquet", tmp_path / "bank.parquet")]
    random = [set(frame["subject"].str.slice(-26)) | set(frame["basket"].str.slice(-26)) for frame in frames]
    assert len(set.union(*random)) == sum(map(len, random))
    assert frames[1].drop("subject", "basket").equals(frames[0].drop("subject", "basket"))
    theirs = made("theirs", "ads") / "purchases.parquet"
    assert pl.read_parquet(theirs).equals(frames[1])  # tokens to tokens, and identifiers to tokens, agree
    with pytest.raises(UsageError, match="is the domain that the tokens are of"):
        redomain(vault, "rec", "rec", purchases, tmp_path / "x.parquet")
    with pytest.raises(RecsysError, match="holds tokens of 'ads', not of 'rec'"):
        redomain(vault, "rec", "bank", tmp_path / "ads.parquet", tmp_path / "x.parquet")


@pytest.mark.parametrize("named", ["serving", "agency"])
def test_no_two_domains_have_one_recipient(vault: Vault, named: str) -> None:
    add_recipient(vault, "agency", "ads")
    with pytest.raises(VaultError, match=f"{named} is another domain's"):
        vault.current(named)
    assert vault.record.epochs_of(named) == []
    add_recipient(vault, f"{named}-2", named)
    vault.current(named)
    counted = Counter(recipient.name for recipient in vault.record.recipients)
    assert counted == dict.fromkeys(["agency", "serving", "training", f"{named}-2"], 1)


def test_a_misspelt_domain_is_not_rotated(vault: Vault) -> None:
    with pytest.raises(VaultError, match="there is no domain 'rek'"):
        rotate(vault, "rek")
    assert vault.record.epochs_of("rek") == []


def test_a_map_is_made_of_files_that_hold_both_epochs(vault: Vault, made: Make, tmp_path: Path) -> None:
    old = made("old") / "subjects.parquet"
    rotate(vault, "rec")
    new = made("new") / "subjects.parquet"
    both = tmp_path / "both.parquet"
    pl.concat([pl.read_parquet(old), pl.read_parquet(new)]).write_parquet(both)
    assert epoch_map(vault, "rec", [both], tmp_path / "map.parquet") == pl.read_parquet(old).height
    assert applied(old, tmp_path / "map.parquet").equals(pl.read_parquet(new))
    rotate(vault, "rec")
    with pytest.raises(RecsysError, match=r"tokens of rec\.01, rec\.02\. Say with --from"):
        epoch_map(vault, "rec", [both], tmp_path / "none.parquet")
    for source in ("01", "02"):
        epoch_map(vault, "rec", [both], tmp_path / f"{source}.parquet", source=source)
        assert read_map(tmp_path / f"{source}.parquet").header.from_epoch == source


def test_two_rotations_do_not_strand_the_first_epoch(
    vault: Vault, made: Make, shop: SimpleNamespace, fields_file: Path, tmp_path: Path
) -> None:
    old, out = made("old"), tmp_path / "map.parquet"
    rotate(vault, "rec")
    rotate_root(vault)
    policy = load_fields(fields_file)
    with pytest.raises(VaultError, match=r"no older epoch that is live. There are: 01, 02"):
        raw_map(vault, policy, "rec", shop.files, out, source="03")
    raw_map(vault, policy, "rec", shop.files, out, source="01")
    assert applied(old / "purchases.parquet", out).equals(pl.read_parquet(made("new") / "purchases.parquet"))


def test_rows_that_a_run_passes_over_do_not_stop_the_map(
    vault: Vault, made: Make, shop: SimpleNamespace, fields_file: Path, tmp_path: Path
) -> None:
    made("old")
    rotate_root(vault)
    redemptions = shop.folder / "redemptions.csv"
    redemptions.write_text(redemptions.read_text() + "one,two,three,four\n" + "x" * 2000 + ",C-1,2017-01-05\n")
    count = raw_map(vault, load_fields(fields_file), "rec", shop.files, tmp_path / "map.parquet")
    assert count == len({*shop.receipts["loyalty_card"], *shop.customers["loyalty_card"]} - {"lc-nünning"}) + 3


def test_a_token_where_none_belongs_does_not_travel(vault: Vault, made: Make, tmp_path: Path) -> None:
    purchases = made("old") / "purchases.parquet"
    hidden = pl.read_parquet(purchases).with_columns(item=pl.lit("see ") + pl.col("subject"))
    hidden.write_parquet(tmp_path / "hidden.parquet")
    with pytest.raises(RecsysError, match="row 1, column 'item' holds a token where none belongs"):
        redomain(vault, "rec", "ads", tmp_path / "hidden.parquet", tmp_path / "out.parquet")
    for disguise in (pl.col("subject").cast(pl.Binary), pl.concat_list("subject"), pl.struct("subject")):
        pl.read_parquet(purchases).with_columns(item=disguise).write_parquet(tmp_path / "hidden.parquet")
        with pytest.raises(RecsysError, match="column 'item' h"):
            redomain(vault, "rec", "ads", tmp_path / "hidden.parquet", tmp_path / "out.parquet")
    mixed = pl.read_parquet(purchases).with_columns(basket=pl.lit("ada@canary.example"))
    mixed.write_parquet(tmp_path / "mixed.parquet")
    with pytest.raises(RecsysError) as caught:
        redomain(vault, "rec", "ads", tmp_path / "mixed.parquet", tmp_path / "out.parquet")
    assert "canary" not in str(caught.value)
    assert not (tmp_path / "out.parquet").exists()
    assert no_leftovers(tmp_path)


@pytest.mark.slow
def test_the_commands_from_the_first_epoch_to_its_end(made: Make, vault: Vault, tmp_path: Path) -> None:
    old, mapping = made("old"), tmp_path / "map.parquet"

    def command(*words: object) -> subprocess.CompletedProcess[str]:
        done = run("pseudonymize", *words)
        assert done.returncode == 0, done.stderr
        return done

    keep = ["--vault", vault.path]
    command("keys", "rotate", *keep)
    command("epoch", *keep, "--domain", "rec", "--out", mapping, old / "purchases.parquet", old / "subjects.parquet")
    again = run("pseudonymize", "epoch", *keep, "--out", mapping, old / "purchases.parquet")
    assert_clear_failure(again, "exists already", status=2)
    receipts = [receipt(tmp_path / f"{name}.json", mapping, name) for name in ("training", "serving")]
    retire_old = ["keys", "retire", *keep, "--domain", "rec", "--epoch", "01", "--receipt"]
    assert_clear_failure(run("pseudonymize", *retire_old, receipts[0]), "no receipt of serving")
    command(*retire_old, *receipts)
    command("keys", "destroy", *keep)
    listed = json.loads(command("keys", "list", *keep, "--json").stdout)
    assert [(row["epoch"], row["status"]) for row in listed] == [("01", "destroyed"), ("02", "live")]
    command("recipients", "add", *keep, "--domain", "ads", "agency")
    new = made_now(vault, made)
    command("redomain", *keep, "--from", "rec", "--to", "ads", "--out", tmp_path / "ads.parquet", new)
    said = command("recipients", "list", *keep, "--json").stdout
    assert {row["name"] for row in json.loads(said)} == {"agency", "serving", "training"}
    assert json.loads(command("keys", "verify", *keep, "--json").stdout)["entries"] > 8


def made_now(vault: Vault, made: Make) -> Path:
    """The purchases of a release in the newest epoch, which other processes have changed meanwhile."""
    vault.verify()  # which reads the record anew
    return made("new") / "purchases.parquet"
