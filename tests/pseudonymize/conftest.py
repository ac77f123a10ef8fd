"""A small retailer, its vault, and tokens computed the slow and obvious way."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import polars as pl
import pytest

from pseudonymize.fields_check import load_fields, sensitive_attributes
from pseudonymize.gate.keeper import Gatekeeper
from pseudonymize.gate.never import Never
from pseudonymize.report import RunReport
from pseudonymize.run import Run
from pseudonymize.tokeniser import Tokeniser
from pseudonymize.vault import Vault, create_vault, open_vault

FIELDS = Path(__file__).parents[2] / "examples" / "complete_journey" / "fields.toml"
TODAY = dt.date(2018, 1, 1)
NOW = dt.datetime(2018, 1, 1, 12, tzinfo=dt.UTC)
Table = dict[str, list[object]]


class Shop(SimpleNamespace):
    """Raw files of three customers; `identifiers` are what must never leave the gate.

    Tests know it as a namespace, since pytest gives them no way to import its class from here.
    """

    folder: Path
    customers: Table
    receipts: Table
    redemptions: Table

    @property
    def files(self) -> list[Path]:
        return [self.folder / name for name in ("customers.csv", "receipts.parquet", "redemptions.csv")]

    @property
    def identifiers(self) -> list[str]:
        names = ("loyalty_card", "name", "email", "phone", "address", "birth_date")
        known = [str(value) for name in names for value in self.customers[name]]
        return known + [str(value) for value in self.receipts["receipt"]]

    def write(self) -> list[Path]:
        pl.DataFrame(self.customers).write_csv(self.folder / "customers.csv")
        pl.DataFrame(self.receipts).write_parquet(self.folder / "receipts.parquet")
        pl.DataFrame(self.redemptions).write_csv(self.folder / "redemptions.csv")
        return self.files


def customers() -> Table:
    return {
        "loyalty_card": ["9840000000000017", "9840000000000025", "LC-Nünning "],
        "name": ["Ada Canary", "Bert Canary", "Cleo Canary"],
        "email": ["ada@canary.example", "bert@canary.example", None],
        "phone": ["+44 20 7946 0001", "+44 20 7946 0002", "+44 20 7946 0003"],
        "birth_date": ["1970-02-03", "2001-05-06", None],
        "address": ["1 Canary Row\nNest", '2 "Canary" Row, Nest', "3 Canary Row"],
        "home_store": ["31", "32", "31"],
        "interests": ["wine; cheese ;", "", "baking"],
        "consent_profiling": ["yes", "no", ""],
        "consent_training": ["TRUE", "0", None],
        "consent_email": ["1", "false", ""],
        "consent_app": ["no", "", ""],
        "consent_till": [" Yes", "", ""],
        "age": ["45-54", None, "65+"],
        **{name: [None, None, None] for name in ("income", "home_ownership", "marital_status", "household_size")},
        "household_comp": [None, "", " "],
        "kids_count": [None, "2", ""],
    }


def receipts() -> Table:
    card, other = "9840000000000017", "lc-nünning"
    return {
        "loyalty_card": [card, card, other, "9840000000009999"],
        "receipt": ["R-0001", "R-0001", "R-0002", "R-0003"],
        "sold_at": [dt.datetime(2017, 1, day, 23, 59, tzinfo=dt.UTC).replace(tzinfo=None) for day in (1, 1, 2, 3)],
        "item": ["milk", "test kit", "deposit", "bread"],
        "quantity": [1, 2, 0, -1],
        "value": [1.5, 3.0, 0.0, -0.9],
        "store": ["31", "31", "32", "31"],
    }


def redemptions() -> Table:
    return {"loyalty_card": ["9840000000000017"], "offer_id": ["C-1"], "redeemed_on": ["2017-01-05"]}


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    folder = tmp_path / "raw"
    folder.mkdir()
    shop = Shop(folder=folder, customers=customers(), receipts=receipts(), redemptions=redemptions())
    shop.write()
    return shop


@pytest.fixture(scope="session")
def vault_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("custodian") / "vault"
    create_vault(folder, kek_file=None, environ={}, now=NOW)
    return folder


@pytest.fixture(scope="session")
def vault(vault_folder: Path) -> Vault:
    return open_vault(vault_folder, kek_file=None, environ={}, now=NOW)


@pytest.fixture(scope="session")
def fields_file() -> Path:
    return FIELDS


@pytest.fixture(scope="session")
def shared_tokeniser(vault: Vault) -> Tokeniser:
    """For tests that do not look at what it counted."""
    return Tokeniser(vault, load_fields(FIELDS).fields, vault.current("rec"), action="test")


@pytest.fixture
def tokeniser(vault: Vault) -> Tokeniser:
    return Tokeniser(vault, load_fields(FIELDS).fields, vault.current("rec"), action="test")


Release = Callable[..., RunReport]


@pytest.fixture
def release(vault: Vault) -> Release:
    """A run on some files, in this process."""

    def run(
        inputs: Sequence[Path],
        out: Path,
        *,
        fields: Path = FIELDS,
        domain: str = "rec",
        never: Sequence[str] = (),
        **keeper: Any,  # noqa: ANN401 - the gatekeeper's own
    ) -> RunReport:
        policy = load_fields(fields)
        tokeniser = Tokeniser(vault, policy.fields, vault.current(domain), action="test")
        drop = Never(frozenset(never), "0" * 64 if never else None)
        gatekeeper = Gatekeeper(settings=policy.gate, sensitive=sensitive_attributes(policy), **keeper)
        return Run(policy, tokeniser, drop, TODAY, vault.path, gatekeeper).write(inputs, out)

    return run


@pytest.fixture
def policy_file(tmp_path: Path) -> Callable[[Mapping[str, str]], Path]:
    """The example's field policy with some of its text replaced."""

    def write(replaced: Mapping[str, str]) -> Path:
        text = FIELDS.read_text()
        for old, new in replaced.items():
            assert old in text
            text = text.replace(old, new, 1)
        path = tmp_path / "changed.toml"
        path.write_text(text)
        return path

    return write
