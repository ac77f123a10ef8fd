"""Erasure orders: whether one names the person completely, before anything is erased and a receipt says so."""

from __future__ import annotations

from collections.abc import Iterable

from recsys.contracts.token import Lineage, lineage_of, parse_token
from recsys.errors import TokenError


def check_order(tokens: Iterable[str], accepted: frozenset[Lineage], *, where: str) -> None:
    """Return when `tokens` name a person in every epoch that is accepted.

    Else the person would stay under another token, with a receipt that says otherwise.

    Raises:
        TokenError: They are of another domain, or of too few epochs.
    """
    named = {lineage_of(parse_token(token, where=where)) for token in tokens}
    if {lineage.domain for lineage in named} != {lineage.domain for lineage in accepted}:
        raise TokenError(
            "holds tokens of another domain than the state's",
            where=where,
            mend="Ask the custodian for the order that is meant for this state",
        )
    missing = sorted(lineage.epoch for lineage in accepted - named)
    if missing:
        raise TokenError(
            f"holds no token of epoch {' and '.join(missing)}, which the state accepts",
            where=where,
            mend="Ask the custodian for a new order, with a token for each epoch in use",
        )
