"""Tokens of public numbers: no key is needed where there is nobody to protect."""

from __future__ import annotations

import base64
import hashlib

import polars as pl


def tokenised(purchases: pl.DataFrame) -> pl.DataFrame:
    """The same purchases, with a token in the place of each person's number."""
    tokens = {name: _token(name) for name in purchases["subject"].unique()}
    return purchases.with_columns(pl.col("subject").replace_strict(tokens, return_dtype=pl.String))


def _token(name: str) -> str:
    digest = hashlib.sha256(name.encode()).digest()[:16]
    return f"s1.rec.01.{base64.b32encode(digest).decode().rstrip('=').lower()}"
