"""Whose tokens a release for a partner holds: never the retailer's own, by which all of it would be linked at once."""

from __future__ import annotations

from recsys.contracts.token import Lineage
from recsys.errors import UsageError


def refuse_own(domain: str, own: frozenset[str]) -> None:
    """Raise `UsageError` where a partner would be given tokens of a domain that is the retailer's `own`."""
    if domain in own:
        raise UsageError(
            f"the tokens of {domain!r} are the retailer's own: a partner who came by them would link every history",
            where="--domain",
            mend="Name a domain of the partner's own",
        )


def domain_faults(lineage: Lineage, own: frozenset[str], against: Lineage | None) -> list[str]:
    """What is wrong with the domain of a release that lies there.

    Args:
        lineage: Of its tokens.
        own: The retailer's own domains.
        against: Of the tokens that the attacker has.
    """
    faults = []
    if lineage.domain in own:
        faults.append(f"its tokens are of {lineage}, the retailer's own: whoever has those links every history")
    if against is not None and against.domain == lineage.domain:
        faults.append(f"its tokens are of the domain of those that it is held against, {against}: all are linked")
    return faults
