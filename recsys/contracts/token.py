"""The token: the only name of a person that exists behind the identity gate.

`s1.<domain>.<epoch>.<26 characters>`: the format's version, who may link the tokens with each other, the version of
the key, and 128 bits in RFC 4648 base32 (lower case, unpadded, so that the last character's two lowest bits are zero).

Why 128 bits: by the birthday bound n²/2¹²⁹, any collision among 10⁸ subjects has probability about 1.5·10⁻²³.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, NewType

import polars as pl

from recsys.errors import TokenError

Token = NewType("Token", str)

DOMAIN_PATTERN: Final = r"[a-z][a-z0-9-]{0,15}"
EPOCH_PATTERN: Final = r"[0-9]{2}"
TOKEN_PATTERN: Final = rf"^s1\.{DOMAIN_PATTERN}\.{EPOCH_PATTERN}\.[a-z2-7]{{25}}[aeimquy4]$"
WRONG_FORM: Final = "not a token (what was sent is not repeated here)"
MEND: Final = "Send the token that the identity gate made, never an identifier"

_FORM = re.compile(TOKEN_PATTERN.replace("$", r"\Z"))


@dataclass(frozen=True, slots=True, order=True)
class Lineage:
    """Which key a token was made with: the domain's name and the epoch's two digits."""

    domain: str
    epoch: str

    def __str__(self) -> str:
        return f"{self.domain}.{self.epoch}"

    @property
    def prefix(self) -> str:
        """What every token of this lineage starts with."""
        return f"s1.{self.domain}.{self.epoch}."


def parse_token(text: str, *, where: str, accepted: frozenset[Lineage] | None = None) -> Token:
    """Return `text` as a token, or raise `TokenError`, which does not repeat it.

    Args:
        text: What was sent.
        where: The place to name in the error.
        accepted: The domains and epochs in use here; None accepts any, for tools that work on one file.
    """
    if not _FORM.match(text):
        raise TokenError(WRONG_FORM, where=where, mend=MEND)
    token = Token(text)
    if accepted is not None and lineage_of(token) not in accepted:
        known = ", ".join(str(lineage) for lineage in sorted(accepted)) or "none yet"
        raise TokenError(
            f"a token of another domain or epoch (accepted here: {known})",
            where=where,
            mend="Ask the custodian for tokens of this domain",
        )
    return token


def lineage_of(token: Token) -> Lineage:
    """The domain and epoch that stand in a token."""
    _, domain, epoch, _ = token.split(".")
    return Lineage(domain, epoch)


def column_lineage(tokens: pl.Series, *, where: str) -> Lineage:
    """The one domain and epoch of a column of well-formed tokens; `TokenError` where there are several or none."""
    found = lineages_of(tokens)
    if len(found) != 1:
        raise TokenError(
            f"tokens of {len(found)} domains or epochs in one file, expected exactly one",
            where=where,
            mend="Keep each domain and epoch in a release of its own",
        )
    return found[0]


def lineages_of(tokens: pl.Series) -> list[Lineage]:
    """The domains and epochs of a column of well-formed tokens, each once, in order."""
    found = tokens.str.extract(r"^s1\.([^.]+\.[^.]+)\.", 1).unique()
    return sorted(Lineage(*lineage.split(".")) for lineage in found)
