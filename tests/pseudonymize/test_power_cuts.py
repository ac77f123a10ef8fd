"""Killed before any step: the vault is whole, what it was or what it was to be; run again, it is done."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import polars as pl
import pytest
from support.killed import Scenario, kill_everywhere

from pseudonymize.canonical import CanonicalForm, FormName, canonical_form
from pseudonymize.domains import issue_map, map_header
from pseudonymize.fields_check import load_fields
from pseudonymize.forgetting import forget, lift
from pseudonymize.key_log import Seal
from pseudonymize.linking.link import Kept, link
from pseudonymize.linking.unlink import Asked, unlink
from pseudonymize.links.table import read_links
from pseudonymize.rotation import destroy, retire, rotate
from pseudonymize.suppression import read_list
from pseudonymize.vault import Vault, create_vault, open_vault
from recsys.contracts.document import encode_document
from recsys.contracts.rekey import RekeyReceipt
from recsys.contracts.token import Lineage

pytestmark = pytest.mark.slow  # some sixty processes

NOW = dt.datetime(2018, 1, 1, 12, tzinfo=dt.UTC)
OLD, NEW = Lineage("rec", "01"), Lineage("rec", "02")
FORM: CanonicalForm = canonical_form(FormName.TEXT)
CARDS = pl.Series(["17"])
FIELDS = """
version = 1
[fields.card]
[fields.mail]
[tables.people]
match = "people*"
feeds = "subjects"
[tables.people.columns]
card = { role = "subject", field = "card" }
mail = { role = "identifier", action = "link", field = "mail" }
"""
MAIN = """
import sys
from pseudonymize.cli import app
from recsys.console import run

def main():
    sys.stdin = open("cards.txt")
    run(app, "recsys-pseudonymize")
"""


@dataclass(frozen=True)
class Case:
    """A command: what it needs to have happened, its words, and the same in this process."""

    before: tuple[str, ...]
    words: tuple[str, ...]
    again: Callable[[Vault, Path], object]
    said: str = "17\n"  # on standard input


def linked(vault: Vault, folder: Path) -> object:
    return link(vault, load_fields(folder / "f.toml"), [folder / "people.csv"], Kept())


def unlinked(vault: Vault, folder: Path) -> object:
    asked = Asked(("card", "card"), CARDS, pl.Series(["18"]), [folder / "people.csv"], None, anyway=True)
    return unlink(vault, load_fields(folder / "f.toml"), asked)


PEOPLE = ("--vault", "vault", "--fields", "f.toml", "--field", "card")
RECEIPTS = ("training.json", "serving.json")
CASES = {
    "rotate": Case((), ("keys", "rotate", "--vault", "vault"), lambda vault, _: rotate(vault, "rec")),
    "retire": Case(
        ("rotate",),
        ("keys", "retire", "--vault", "vault", "--domain", "rec", "--epoch", "01", "--receipt", *RECEIPTS),
        lambda vault, case: retire(vault, OLD, [case / name for name in RECEIPTS]),
    ),
    "destroy": Case(
        ("rotate", "retire"), ("keys", "destroy", "--vault", "vault"), lambda vault, _: destroy(vault, None, None)
    ),
    "forget": Case(
        ("rotate",),
        ("forget", *PEOPLE, "--out", "orders"),
        lambda vault, case: forget(vault, "card", FORM, CARDS, case / "orders"),
    ),
    "lift": Case(("rotate", "forget"), ("lift", *PEOPLE), lambda vault, _: lift(vault, "card", FORM, CARDS)),
    "link": Case((), ("link", *PEOPLE[:4], "people.csv"), linked),
    "unlink": Case(("link",), ("unlink", *PEOPLE, "people.csv"), unlinked, "17\t18\n"),
}


def opened(folder: Path) -> Vault:
    return open_vault(folder / "vault", kek_file=None, environ={}, now=NOW)


def template(folder: Path, case: Case) -> Path:
    create_vault(folder / "vault", kek_file=None, environ={}, now=NOW)
    (folder / "f.toml").write_text(FIELDS)
    (folder / "cards.txt").write_text(case.said)
    (folder / "people.csv").write_text("card,mail\n17,ada@canary.example\n18,ada@canary.example\n")
    for name in case.before:
        if name == "retire":
            receipts(folder)
        CASES[name].again(opened(folder), folder)
    if case is CASES["retire"]:
        receipts(folder)
    return folder


def receipts(folder: Path) -> None:
    header = map_header(OLD, NEW)
    pairs = pl.DataFrame({"from": [f"{OLD.prefix}{'a' * 26}"], "to": [f"{NEW.prefix}{'a' * 26}"]})
    issue_map(opened(folder), "rec", pairs, folder / "map.parquet", header)
    for name in ("training", "serving"):
        receipt = RekeyReceipt(
            map_id=header.map_id,
            recipient=name,
            domain="rec",
            from_epoch="01",
            to_epoch="02",
            applied_at=NOW,
            replaced={},
            unmapped={},
            destroyed=True,
        )
        (folder / f"{name}.json").write_bytes(encode_document(receipt))


def state(folder: Path) -> tuple[object, ...]:
    """What a command may change; the vault is whole, or this raises."""
    vault = opened(folder)
    seal: Seal = vault.verify()
    assert seal.entries > 0
    epochs = tuple((str(epoch.lineage), epoch.status, epoch.wrapped is None) for epoch in vault.record.epochs)
    orders = folder / "orders"
    links = read_links(vault.path)
    told = (len(links.edges), len(links.apart), links.number)
    return epochs, read_list(vault.path).rows.height, len(list(orders.iterdir())) if orders.exists() else 0, told


@pytest.mark.parametrize("name", CASES)
def test_killed_anywhere_the_vault_is_whole(name: str, tmp_path: Path) -> None:
    (tmp_path / "template").mkdir()
    made, case = template(tmp_path / "template", CASES[name]), CASES[name]
    places = kill_everywhere(MAIN, Scenario(made, tmp_path, case.words))[0]
    before, after = state(made), state(places[-1])
    assert before != after
    # People are on the list before their orders are written: never the other way round.
    between = {(before[0], after[1], *before[2:])} if name == "forget" else set()
    found = [state(place) for place in places]
    assert set(found) <= {before, after} | between
    assert {before, after} <= set(found)
    for place, was in zip(places, found, strict=True):
        if was != after:
            case.again(opened(place), place)
            assert state(place) == after
