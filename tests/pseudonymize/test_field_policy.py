from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from pseudonymize.fields import Feed, Identifier, Quasi
from pseudonymize.fields_check import load_fields
from recsys.errors import PolicyError

PolicyFile = Callable[[Mapping[str, str]], Path]

CARD = 'loyalty_card = { role = "subject", field = "loyalty_card" }'
CONSENT = 'consent_app = { role = "consent", purpose = "channel:app" }'
WRONG = [
    ("version = 1", "version = 2", "at $.version"),
    ("version = 1", "versoin = 1", "unknown key 'versoin'. Did you mean 'version'?"),
    ("version = 1", "version = ", "is not TOML"),
    ('canonical = "text"', 'canonical = "txt"', "Did you mean 'text'?"),
    ('canonical = "text"', 'canonicle = "text"', "unknown key"),
    ('match = "customers*"', 'mach = "customers*"', "tables.customers: unknown key 'mach'. Did you mean 'match'?"),
    ('feeds = "subjects"', 'feeds = "subject"', "Did you mean 'subjects'?"),
    ('role = "drop"', 'role = "dorp"', "tables.receipts.columns.store: there is no role 'dorp'. Did you mean 'drop'?"),
    ('role = "drop"', 'rule = "drop"', "tables.receipts.columns.store: has no role. The roles are: subject, "),
    ('action = "tokenise"', 'action = "tokenize"', "Did you mean 'tokenise'?"),
    ('action = "tokenise", field = "receipt"', 'action = "tokenise"', "needs a field and a target"),
    ('action = "drop"', 'action = "drop", to = "region"', "a dropped identifier feeds nothing"),
    ('action = "drop"', 'action = "link"', "a link needs a field and feeds nothing"),
    ('action = "drop"', 'action = "link", field = "emial"', "there is no field 'emial'"),
    ('field = "receipt"', 'field = "reciept"', "there is no field 'reciept'. Did you mean 'receipt'?"),
    ('to = "basket"', 'to = "item"', "identifier cannot feed column 'item' of purchases"),
    ('role = "feature", to = "value"', 'role = "feature", to = "vale"', "Did you mean 'value'?"),
    ('role = "feature", to = "store"', 'role = "feature", to = "name"', "It may feed: adult, interests, region, store"),
    ('item = { role = "feature", to = "item" }', 'item = { role = "drop" }', "purchases need item"),
    ('store = { role = "drop" }', 'store = { role = "feature", to = "item" }', "2 columns feed 'item'"),
    ('purpose = "channel:app"', 'purpose = "channel:email"', "2 columns feed 'channel:email'"),
    ('purpose = "profiling"', 'purpose = "profile"', "at $.purpose"),
    ('store = { role = "drop" }', 'store = { role = "consent", purpose = "training" }', "consents belong to subjects"),
    ('store = { role = "drop" }', 'store = { role = "evaluation", set = "demographics" }', "stand beside people"),
    ('store = { role = "drop" }', 'store = { role = "evaluation" }', "names no evaluation set"),
    ('to = "adult", years = 18', 'to = "region"', "generalise = 'adult' does not give 'region'"),
    ('generalise = "day", to = "day"', 'generalise = "adult", to = "day"', "does not give 'day'"),
    ('generalise = "day"', 'generalise = "day", as_of = 2017-01-01', "as_of belongs to"),
    (CARD, 'loyalty_card = { role = "drop" }', "has 0 columns of role 'subject'"),
    (
        CONSENT,
        CONSENT.replace('"consent", purpose = "channel:app"', '"subject", field = "receipt"'),
        "has 2 columns of",
    ),
    ('age = { role = "evaluation", ', 'age = { role = "evaluation", to = "income", ', "'income' is fed twice"),
    ('feeds = "subjects"', 'feeds = "subjects"\ndrop_zero_quantity = true', "belongs to purchases"),
]


def test_the_example_says_what_it_means(fields_file: Path) -> None:
    policy = load_fields(fields_file)
    customers, receipts, redemptions = policy.tables
    assert [table.feeds for table in policy.tables] == [Feed.SUBJECTS, Feed.PURCHASES, Feed.REDEMPTIONS]
    assert isinstance(customers.columns["birth_date"], Quasi)
    assert isinstance(receipts.columns["receipt"], Identifier)
    assert receipts.drop_zero_quantity
    assert not redemptions.drop_zero_quantity


@pytest.mark.parametrize(("old", "new", "message"), WRONG)
def test_what_makes_no_sense_is_refused(policy_file: PolicyFile, old: str, new: str, message: str) -> None:
    with pytest.raises(PolicyError) as caught:
        load_fields(policy_file({old: new}))
    assert message in str(caught.value)
    assert "changed.toml" in str(caught.value)


@pytest.mark.parametrize("name", ["absent.toml", "folder", "latin.toml"])
def test_a_policy_that_cannot_be_read(tmp_path: Path, name: str) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "latin.toml").write_bytes(b"name = '\xe9'")
    with pytest.raises(PolicyError, match=name):
        load_fields(tmp_path / name)


def test_the_hash_is_that_of_the_bytes(policy_file: PolicyFile, fields_file: Path) -> None:
    assert load_fields(policy_file({})).sha256 == load_fields(fields_file).sha256
    assert load_fields(policy_file({"# Receipts": "#  Receipts"})).sha256 != load_fields(fields_file).sha256
