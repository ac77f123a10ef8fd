"""Evaluation sets: tokenised tables that the field policy declares, which only `recsys-evaluate` reads."""

from __future__ import annotations

from typing import Final

import polars as pl

from recsys.contracts.table import Column, TableContract, filled, token_column

REDEMPTIONS: Final = TableContract(
    name="redemptions",
    version=1,
    columns=(
        token_column("subject", "Who redeemed"),
        Column("offer_id", pl.String(), "What was redeemed", check=filled),
        Column("day", pl.Date(), "When"),
    ),
)

DEMOGRAPHICS: Final = TableContract(
    name="demographics",
    version=1,
    columns=(
        token_column("subject", "Who"),
        Column("attribute", pl.String(), "age, income, kids, …", check=filled),
        Column("group", pl.String(), "The band that the person belongs to", check=filled),
    ),
    unique=("subject", "attribute"),
)

AS_OF: Final = TableContract(
    name="as-of",
    version=1,
    columns=(
        token_column("subject", "Whose history"),
        Column("day", pl.Date(), "Nothing dated on or after this day is used"),
    ),
    unique=("subject",),
)

CANDIDATES: Final = TableContract(
    name="candidates",
    version=1,
    columns=(Column("item", pl.String(), "A model item of the bundle that is judged", check=filled),),
    unique=("item",),
)

EVALUATION_SETS: Final = {contract.name: contract for contract in (REDEMPTIONS, DEMOGRAPHICS)}
