"""Links in the vault: two channels meet under one token, everywhere; and what is taken apart stays apart."""

from __future__ import annotations

import datetime as dt
import itertools
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
from support.channels import (
    ADA_CARD,
    ADA_MAIL,
    ADA_PHONE,
    BERT_CARD,
    CLEO_CARD,
    HOUSE_PHONE,
    IDENTIFIERS,
    write_channels,
)
from support.search import contents, found

from pseudonymize.canonical import FormName
from pseudonymize.domains import redomain
from pseudonymize.fields import Field
from pseudonymize.fields_check import load_fields
from pseudonymize.forgetting import forget, lift
from pseudonymize.gate.never import Never
from pseudonymize.gateway.deriving import Deriver, Wanted
from pseudonymize.keys import VaultError
from pseudonymize.linking.link import Kept, LinkReport, link
from pseudonymize.linking.unlink import Asked, unlink
from pseudonymize.links.table import read_links
from pseudonymize.raw_map import raw_map
from pseudonymize.report import became
from pseudonymize.rotation import rotate, rotate_root
from pseudonymize.run import JOINED, Run
from pseudonymize.tokeniser import Tokeniser
from pseudonymize.vault import Vault, create_vault, open_vault
from recsys.contracts.document import decode_document
from recsys.contracts.erasure import ErasureOrder
from recsys.contracts.rekey import read_map
from recsys.contracts.release import Release
from recsys.contracts.relink import RelinkOrder, read_order
from recsys.errors import ContractError, PolicyError

NOW = dt.datetime(2018, 1, 1, 12, tzinfo=dt.UTC)
PEOPLE = ("customers", "accounts")
TABLES = (*PEOPLE, "receipts", "orders")


class Retailer:
    """A vault, the raw files, and the gate's commands in this process."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.files = write_channels(folder / "raw")
        create_vault(folder / "vault", kek_file=None, environ={}, now=NOW)
        self.policy = load_fields(self.files["policy"])

    @property
    def vault(self) -> Vault:
        return open_vault(self.folder / "vault", kek_file=None, environ={}, now=NOW)

    def link(self, *names: str, again: bool = False) -> LinkReport:
        return link(self.vault, self.policy, [self.files[name] for name in names or PEOPLE], Kept(again=again))

    def unlink(self, field: str, one: str, other: str, *names: str, of: str | None = None) -> RelinkOrder:
        inputs = [self.files[name] for name in names]
        asked = Asked((field, of or field), pl.Series([one]), pl.Series([other]), inputs, None)
        report = unlink(self.vault, self.policy, asked)
        assert report.orders is not None
        return read_order(Path(report.orders) / "training.parquet")

    def token(self, field: str, value: str, domain: str = "rec") -> str:
        vault = self.vault
        tokeniser = Tokeniser(vault, self.policy.fields, vault.current(domain), action="test")
        return str(tokeniser.tokens(field, pl.Series([value])).tokens[0])

    def run(self, out: str, names: Sequence[str] = TABLES) -> tuple[Release, pl.DataFrame]:
        vault = self.vault
        tokeniser = Tokeniser(vault, self.policy.fields, vault.current("rec"), action="test")
        run = Run(self.policy, tokeniser, Never(), NOW.date(), vault.path)
        made = run.write([self.files[name] for name in names], self.folder / out)
        return made.release, pl.read_parquet(self.folder / out / "purchases.parquet")

    def forget(self, field: str, value: str, out: str) -> dict[str, ErasureOrder]:
        form = self.policy.fields[field].form()
        forget(self.vault, field, form, pl.Series([value]), self.folder / out)
        paths = (self.folder / out).iterdir()
        return {path.stem: decode_document(path.read_bytes(), ErasureOrder, where="") for path in paths}


@pytest.fixture
def retailer(tmp_path: Path) -> Retailer:
    return Retailer(tmp_path)


def test_till_and_web_meet_under_one_token_in_every_domain_and_epoch(retailer: Retailer) -> None:
    _, before = retailer.run("before")
    assert before.filter(item="wine")["subject"].n_unique() == 2
    report = retailer.link()
    assert (report.rows, report.people, report.linked_people, report.refused) == (6, 4, 2, {})
    for domain in ("rec", "ads"):
        names = (("loyalty_card", ADA_CARD), ("email", ADA_MAIL), ("phone", "020 7946 0001"))
        assert len({retailer.token(*name, domain) for name in names}) == 1
    rotate(retailer.vault, "rec")
    ada = retailer.token("loyalty_card", ADA_CARD)
    assert ada.startswith("s1.rec.02.")
    _, after = retailer.run("after")
    assert after.filter(subject=ada)["item"].to_list() == ["milk", "beer", "wine", "bread"]
    assert after["subject"].n_unique() == 3


def test_a_column_that_links_is_dropped_and_says_so(retailer: Retailer) -> None:
    customers = retailer.policy.tables[0]
    assert became("email", customers.columns["email"], customers, None) == "dropped; links the person"


@pytest.mark.slow
def test_of_two_rows_about_one_person_the_stricter_consent_wins(retailer: Retailer) -> None:
    retailer.link()
    release, _ = retailer.run("release")
    rows = pl.read_parquet(retailer.folder / "release" / "subjects.parquet")
    agreed = {row["subject"]: sorted(row["consents"]) for row in rows.iter_rows(named=True)}
    assert agreed[retailer.token("email", ADA_MAIL)] == ["channel:email", "channel:till", "training"]  # the web's no
    assert agreed[retailer.token("loyalty_card", BERT_CARD)] == ["profiling"]  # with Cleo's: training and till refused
    assert release.dropped[JOINED] == 2


@pytest.mark.slow
@pytest.mark.parametrize("missing", PEOPLE)
def test_a_run_without_a_table_in_which_a_linked_person_may_have_said_no_is_refused(
    retailer: Retailer, missing: str
) -> None:
    names = [name for name in TABLES if name != missing]
    retailer.run("before", names)  # nobody is linked yet
    retailer.link()
    with pytest.raises(ContractError, match=f"'{missing}' is missing, and people who are linked may have said no"):
        retailer.run("after", names)
    retailer.run("receipts", ["receipts"])  # says nothing of consents


@pytest.mark.slow
@pytest.mark.parametrize("order", list(itertools.permutations(PEOPLE)))
def test_the_order_of_files_does_not_matter(retailer: Retailer, order: tuple[str, ...], tmp_path: Path) -> None:
    retailer.link(*order)
    linked = pl.read_parquet(tmp_path / "vault" / "links.parquet")
    retailer.link(*order[::-1])
    again = pl.read_parquet(tmp_path / "vault" / "links.parquet")
    assert linked.sort(linked.columns).equals(again.sort(linked.columns))


@pytest.mark.slow
def test_the_links_have_the_vaults_modes_and_hold_no_identifier_and_no_token(retailer: Retailer) -> None:
    retailer.link()
    vault = retailer.folder / "vault"
    folder = vault / "links"
    assert folder.stat().st_mode & 0o777 == 0o700
    assert (vault / "links.parquet").stat().st_mode & 0o777 == 0o600
    assert {path.stat().st_mode & 0o777 for path in folder.rglob("*") if path.is_file()} == {0o600}
    assert {path.stat().st_mode & 0o777 for path in folder.rglob("*") if path.is_dir()} == {0o700}
    tokens = [retailer.token("loyalty_card", card)[10:] for card in (ADA_CARD, BERT_CARD)]
    assert found((vault / "links.parquet").read_bytes(), [*IDENTIFIERS, *tokens]) == []
    orders = contents(folder / "orders")
    assert found(orders, IDENTIFIERS) == []
    assert len(found(orders, tokens)) == 2  # the control


@pytest.mark.slow
@pytest.mark.parametrize(("mode", "message"), [(0o600, "the links are damaged"), (0o640, "others can read it")])
def test_links_that_cannot_be_trusted_stop_everything(retailer: Retailer, mode: int, message: str) -> None:
    retailer.link()
    file = retailer.folder / "vault" / "links.parquet"
    file.write_bytes(b"PAR1")
    file.chmod(mode)
    for use in (lambda: retailer.run("none"), retailer.link, lambda: retailer.forget("email", ADA_MAIL, "orders")):
        with pytest.raises(VaultError, match=message):
            use()


@pytest.mark.slow
def test_an_order_names_everybody_who_is_linked_in_every_epoch_and_nobody_elses_tokens(retailer: Retailer) -> None:
    mail, card = retailer.token("email", ADA_MAIL), retailer.token("loyalty_card", ADA_CARD)
    retailer.vault.current("ads")
    rotate(retailer.vault, "rec")
    report = retailer.link()
    assert report.orders is not None
    orders = {path.stem: read_order(path) for path in Path(report.orders).iterdir()}
    assert sorted(orders) == ["serving", "training"]  # a partner is not told who is linked
    assert (mail, card) in orders["training"].joins.rows()
    assert orders["training"].header.epochs == ("01", "02")
    assert orders["training"].joins["from"].str.starts_with("s1.rec.").all()
    assert len({order.header.order_id for order in orders.values()}) == 2
    assert retailer.link().orders is None
    again = retailer.link(again=True).orders
    assert again is not None
    assert read_order(Path(again) / "training.parquet").joins.equals(orders["training"].joins)
    assert read_order(Path(again) / "training.parquet").header.number == 2


def test_an_erasure_by_any_identifier_reaches_the_whole_person_and_lifts_again(retailer: Retailer) -> None:
    before = {field: retailer.token(field, value) for field, value in (("email", ADA_MAIL), ("loyalty_card", ADA_CARD))}
    retailer.link()
    orders = retailer.forget("email", ADA_MAIL, "orders")
    assert set(before.values()) <= set(orders["training"].subjects)  # what was released before the link, too
    release, purchases = retailer.run("after")
    assert release.dropped["suppressed"] == 4 + 2
    assert not purchases["subject"].is_in(list(before.values())).any()
    held = lift(retailer.vault, "phone", retailer.policy.fields["phone"].form(), pl.Series([ADA_PHONE]))
    assert held == 1
    assert pl.read_parquet(retailer.folder / "vault" / "suppressed.parquet").is_empty()
    assert retailer.run("again")[0].dropped.get("suppressed", 0) == 0


@pytest.mark.slow
def test_nobody_is_linked_with_somebody_who_was_forgotten(retailer: Retailer) -> None:
    retailer.forget("loyalty_card", ADA_CARD, "orders")
    report = retailer.link()
    assert report.refused == {"one of the two was forgotten": 2}
    assert retailer.run("after")[0].dropped["suppressed"] == 3
    assert report.refused_file is None  # who was forgotten is written nowhere


@pytest.mark.slow
def test_strangers_joined_before_a_limit_was_passed_are_told(retailer: Retailer, tmp_path: Path) -> None:
    found = []
    for number in range(4):  # a made-up address at the till, another card each day
        row = {"loyalty_card": [f"CARD-{number}"], "email": ["none@canary.example"], "phone": [None]}
        consents = {purpose: ["yes"] for purpose in ("profiling", "training", "till")}
        file = tmp_path / f"customers-{number}.csv"
        pl.DataFrame({**row, **consents}).write_csv(file)
        found.append(link(retailer.vault, retailer.policy, [file], Kept()))
    assert [report.doubtful for report in found] == [0, 0, 0, 3]
    assert [sum(report.refused.values()) for report in found] == [0, 0, 0, 1]
    again = link(retailer.vault, retailer.policy, sorted(tmp_path.glob("customers-*.csv")), Kept())
    assert again.refused_file is not None
    named = Path(again.refused_file).read_text()
    assert [f"card-{number}" in named for number in range(4)] == [True] * 4
    assert Field(canonical=FormName.PHONE, region="GB").most_beside == 1  # unless the policy says otherwise


@pytest.mark.slow
def test_a_slip_in_what_is_taken_apart_is_told(retailer: Retailer) -> None:
    retailer.link()
    asked = Asked(
        ("loyalty_card", "loyalty_card"),
        pl.Series([BERT_CARD, ADA_CARD]),
        pl.Series([CLEO_CARD, "CARD-NOBODY"]),
        [],
        None,
    )
    before = read_links(retailer.vault.path).apart
    with pytest.raises(ContractError, match=r"the two of line 2 are not one person's here.*--anyway") as told:
        unlink(retailer.vault, retailer.policy, asked)
    assert ADA_CARD not in str(told.value)
    assert read_links(retailer.vault.path).apart.equals(before)
    report = unlink(retailer.vault, retailer.policy, replace(asked, anyway=True))
    assert (report.pairs, report.strangers) == (2, (2,))
    with pytest.raises(ContractError, match="line 1, 2 are"):  # apart already
        unlink(retailer.vault, retailer.policy, asked)


def test_taken_apart_for_good_with_the_receipts_that_tell_them_apart(retailer: Retailer) -> None:
    retailer.link()
    both = retailer.token("phone", HOUSE_PHONE)
    assert both == retailer.token("loyalty_card", BERT_CARD) == retailer.token("loyalty_card", CLEO_CARD)
    order = retailer.unlink("loyalty_card", BERT_CARD, CLEO_CARD, "receipts", "orders")
    bert, cleo = (retailer.token("loyalty_card", card) for card in (BERT_CARD, CLEO_CARD))
    assert bert != cleo
    assert both in {bert, cleo}
    baskets = {retailer.token("receipt", "T-2"): bert, retailer.token("receipt", "T-3"): cleo}
    assert dict(order.baskets.select("basket", "to").iter_rows()) == baskets
    assert set(order.baskets["from"]) == {both}
    assert (order.header.number, order.header.parted) == (2, 0)
    assert retailer.link().refused == {"the two were taken apart": 2}
    assert retailer.token("loyalty_card", CLEO_CARD) == cleo
    again = retailer.link(again=True).orders
    assert again is not None
    later = read_order(Path(again) / "serving.parquet")
    assert later.parts.is_empty()
    assert later.header.parted == 2


@pytest.mark.slow
def test_an_identifier_is_taken_from_a_person(retailer: Retailer) -> None:
    retailer.link()
    card = retailer.token("loyalty_card", ADA_CARD)
    order = retailer.unlink("loyalty_card", ADA_CARD, ADA_MAIL.upper(), of="email")
    assert retailer.token("loyalty_card", ADA_CARD) == card
    assert order.parts.rows() == [(card, retailer.token("email", ADA_MAIL))]
    assert order.baskets.is_empty()


@pytest.mark.slow
def test_a_new_field_root_asks_for_the_files_and_keeps_what_was_taken_apart(retailer: Retailer) -> None:
    retailer.run("old")
    retailer.link()
    retailer.unlink("loyalty_card", BERT_CARD, CLEO_CARD)
    _, old = retailer.run("first")
    rotate_root(retailer.vault)
    with pytest.raises(VaultError, match="Run `recsys-pseudonymize link` again"):
        retailer.run("none")
    part = retailer.link("customers")
    assert (part.links_behind, part.separations_behind) == (1, 0)
    whole = retailer.link()
    assert (whole.links_behind, whole.separations_behind) == (0, 0)
    _, new = retailer.run("second")
    assert retailer.token("loyalty_card", BERT_CARD) != retailer.token("loyalty_card", CLEO_CARD)
    out = retailer.folder / "map.parquet"
    raw_map(retailer.vault, retailer.policy, "rec", [retailer.files[name] for name in TABLES], out)
    tokens = dict(read_map(out).tokens.iter_rows())
    assert old.with_columns(pl.col("subject", "basket").replace_strict(tokens)).equals(new)


@pytest.mark.slow
def test_a_partner_sees_one_person_in_what_was_released_before_the_link(retailer: Retailer) -> None:
    retailer.run("before")
    retailer.link()
    redomain(
        retailer.vault, "rec", "ads", retailer.folder / "before" / "purchases.parquet", retailer.folder / "ads.parquet"
    )
    ads = pl.read_parquet(retailer.folder / "ads.parquet")
    ada = ads.filter(subject=retailer.token("email", ADA_MAIL, "ads"))
    assert ada["item"].to_list() == ["milk", "beer", "wine", "bread"]


@pytest.mark.slow
def test_the_gateway_knows_one_person_by_any_identifier_from_the_next_request_on(retailer: Retailer) -> None:
    deriver = Deriver(retailer.vault, retailer.policy.fields, lambda: NOW)

    def tokens() -> set[str | None]:
        asked = {"loyalty_card": ADA_CARD, "email": ADA_MAIL, "phone": ADA_PHONE}
        return {deriver.made(Wanted("rec", "", field), [value]).tokens[0] for field, value in asked.items()}

    retailer.token("email", ADA_MAIL)  # makes the domain's first epoch
    assert len(tokens()) == 3
    retailer.link()
    assert tokens() == {retailer.token("loyalty_card", ADA_CARD)}
    retailer.forget("phone", ADA_PHONE, out="orders")
    assert tokens() == {None}


@pytest.mark.slow
def test_links_and_unlinks_are_in_the_sealed_log(retailer: Retailer) -> None:
    retailer.link()
    retailer.unlink("loyalty_card", BERT_CARD, CLEO_CARD)
    assert retailer.vault.verify().entries > 0
    assert '"action": "relink"' in (retailer.folder / "vault" / "keylog.jsonl").read_text()


@pytest.mark.slow
def test_one_identifier_twice_is_no_pair(retailer: Retailer) -> None:
    with pytest.raises(ContractError, match="line 1 names one identifier twice") as caught:
        retailer.unlink("loyalty_card", ADA_CARD, f"{ADA_CARD.lower()} ")
    assert found(str(caught.value).encode(), IDENTIFIERS) == []


@pytest.mark.slow
def test_a_policy_without_a_column_that_links_is_told_so(retailer: Retailer, fields_file: Path) -> None:
    with pytest.raises(PolicyError, match="has no column that links"):
        link(retailer.vault, load_fields(fields_file), [retailer.files["customers"]], Kept())
