"""A retailer with a till and a web shop: the same people, known by a card here and by an e-mail address there."""

from __future__ import annotations

from pathlib import Path

import polars as pl

POLICY = """
version = 1
name = "channels"

[fields.loyalty_card]
[fields.email]
canonical = "email"
[fields.phone]
canonical = "phone"
region = "GB"
shared_by = 2
[fields.receipt]

[tables.customers]
match = "customers*"
feeds = "subjects"
[tables.customers.columns]
loyalty_card = { role = "subject", field = "loyalty_card" }
email = { role = "identifier", action = "link", field = "email" }
phone = { role = "identifier", action = "link", field = "phone" }
profiling = { role = "consent", purpose = "profiling" }
training = { role = "consent", purpose = "training" }
till = { role = "consent", purpose = "channel:till" }

[tables.accounts]
match = "accounts*"
feeds = "subjects"
[tables.accounts.columns]
email = { role = "subject", field = "email" }
phone = { role = "identifier", action = "link", field = "phone" }
profiling = { role = "consent", purpose = "profiling" }
mail = { role = "consent", purpose = "channel:email" }

[tables.receipts]
match = "receipts*"
feeds = "purchases"
[tables.receipts.columns]
loyalty_card = { role = "subject", field = "loyalty_card" }
receipt = { role = "identifier", action = "tokenise", field = "receipt", to = "basket" }
day = { role = "feature", to = "day" }
item = { role = "feature", to = "item" }
quantity = { role = "feature", to = "quantity" }

[tables.orders]
match = "orders*"
feeds = "purchases"
[tables.orders.columns]
email = { role = "subject", field = "email" }
number = { role = "identifier", action = "tokenise", field = "receipt", to = "basket" }
day = { role = "feature", to = "day" }
item = { role = "feature", to = "item" }
quantity = { role = "feature", to = "quantity" }
"""
ADA_CARD, BERT_CARD, CLEO_CARD = "CARD-ADA-1", "CARD-BERT-1", "CARD-CLEO-1"
ADA_MAIL, BERT_MAIL, CLEO_MAIL = "ada@canary.example", "bert@canary.example", "cleo@canary.example"
ADA_PHONE, HOUSE_PHONE = "+44 20 7946 0001", "+44 20 7946 0002"
IDENTIFIERS = [
    *(ADA_CARD, BERT_CARD, CLEO_CARD, ADA_MAIL, BERT_MAIL, CLEO_MAIL, ADA_PHONE, HOUSE_PHONE),
    *("card-ada", "442079460001", "442079460002", "T-1", "W-1"),
]


def write_channels(folder: Path) -> dict[str, Path]:
    """The policy and four raw files. Ada shops in both channels; Bert and Cleo share a telephone, and nothing else."""
    folder.mkdir(parents=True, exist_ok=True)
    tables = {
        "customers": {
            "loyalty_card": [ADA_CARD, BERT_CARD, CLEO_CARD],
            "email": [ADA_MAIL.upper(), None, None],
            "phone": [ADA_PHONE, HOUSE_PHONE, "020 7946 0002"],
            "profiling": ["yes", "yes", "yes"],
            "training": ["yes", "yes", "no"],
            "till": ["yes", "no", "yes"],
        },
        "accounts": {
            "email": [ADA_MAIL, BERT_MAIL, CLEO_MAIL],
            "phone": ["020 7946 0001", None, None],
            "profiling": ["no", "yes", "yes"],
            "mail": ["yes", "yes", "no"],
        },
        "receipts": {
            "loyalty_card": [ADA_CARD.lower(), ADA_CARD, BERT_CARD, CLEO_CARD],
            "receipt": ["T-1", "T-1", "T-2", "T-3"],
            "day": ["2017-11-01", "2017-11-01", "2017-11-02", "2017-11-03"],
            "item": ["milk", "beer", "bread", "wine"],
            "quantity": [1, 2, 1, 1],
        },
        "orders": {
            "email": [ADA_MAIL, BERT_MAIL, ADA_MAIL],
            "number": ["W-1", "W-2", "W-3"],
            "day": ["2017-11-04", "2017-11-05", "2017-11-06"],
            "item": ["wine", "milk", "bread"],
            "quantity": [3, 1, 1],
        },
    }
    files = {name: folder / f"{name}.csv" for name in tables}
    for name, table in tables.items():
        pl.DataFrame(table).write_csv(files[name])
    files["policy"] = folder / "channels.toml"
    files["policy"].write_text(POLICY)
    return files
