"""One shopper, many identifiers, at size: `python -m benchmarks.links [PEOPLE]`, a minute for half a million people.

Cards with e-mail addresses and a few telephones, of which some are shared by too many: `link` twice, then the tokens of
all addresses, each as a process of its own; then a state in SQLite joins the first 20,000.
"""

from __future__ import annotations

import resource
import sys
import tempfile
from pathlib import Path
from typing import Final

import numpy as np
import polars as pl
from support.channels import POLICY

from benchmarks.timing import spent
from recsys.contracts.catalogue import CATALOGUE
from recsys.contracts.purchases import PURCHASES
from recsys.contracts.subjects import SUBJECTS

PEOPLE: Final = 500_000
TELEPHONES, SHARED, LOADED = 70_000, 2_000, 20_000


def main() -> None:
    """Print a line for each."""
    people = int(sys.argv[1]) if len(sys.argv) > 1 else PEOPLE
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "fields.toml").write_text(POLICY)
        customers = made_up(people)
        customers.write_parquet(folder / "customers.parquet")
        gate = ["--vault", folder / "vault", "--fields", folder / "fields.toml"]
        spent("-m", "pseudonymize", "keys", "init", *gate[:2])
        some = "\n".join(customers["email"].head(LOADED))
        _, before = spent("-m", "pseudonymize", "token", *gate, "--field", "email", stdin=some)
        for label in ("link, all new", "link, nothing new"):
            say(
                f"{label}: {people:,} people",
                spent("-m", "pseudonymize", "link", *gate, folder / "customers.parquet")[0],
            )
        everyone = "\n".join(customers["email"])
        say(
            f"token: {people:,} addresses",
            spent("-m", "pseudonymize", "token", *gate, "--field", "email", stdin=everyone)[0],
        )
        state = ["--state", f"sqlite:///{folder / 'state.db'}"]
        spent("-m", "serving", "load", *state, *loaded(before.split(), folder))
        order = next((folder / "vault" / "links" / "orders").glob("*/serving.parquet"))
        say(f"relink: {LOADED:,} of them loaded", spent("-m", "serving", "relink", order, *state)[0])


def made_up(people: int) -> pl.DataFrame:
    """Cards with an address each, and with a telephone some."""
    rng, number = np.random.default_rng(0), np.arange(people)
    phone = np.where(number < TELEPHONES, number, rng.integers(TELEPHONES, TELEPHONES + SHARED, people))
    return pl.DataFrame(
        {
            "loyalty_card": [f"card-{one:08}" for one in number],
            "email": [f"person{one}@example.com" for one in number],
            "phone": [f"+44 20 7{one:07}" if keep else None for one, keep in zip(phone, number % 5 == 0, strict=True)],
            **{purpose: ["yes"] * people for purpose in ("profiling", "training", "till")},
        }
    )


def loaded(subjects: list[str], folder: Path) -> list[object]:
    """What the state is loaded with: a purchase of each, and consents."""
    day = pl.date(2024, 1, 1)
    PURCHASES.write(
        pl.DataFrame({"subject": subjects, "item": "i1", "quantity": 1.0}).with_columns(day=day), folder / "p.parquet"
    )
    SUBJECTS.write(
        pl.DataFrame({"subject": subjects, "consents": [["profiling"]] * len(subjects)}), folder / "s.parquet"
    )
    CATALOGUE.write(pl.DataFrame({"item": ["i1"], "category": ["FOOD"], "title": ["i1"]}), folder / "c.parquet")
    (folder / "guards.toml").write_text('version = 1\nname = "none"\n')
    sold = ["--catalogue", folder / "c.parquet", "--guards", folder / "guards.toml"]
    return ["--purchases", folder / "p.parquet", "--subjects", folder / "s.parquet", *sold]


def say(label: str, seconds: float) -> None:
    """A line of the result."""
    most = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1e6
    sys.stdout.write(f"{label:<40} {seconds:6.1f} s of processor; no command so far held more than {most:.1f} GB\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
