"""Ways into a partner's domain past the gate for partners: they are open, told loudly, and stand in the key log."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from pseudonymize.gate.finished import finished_in
from pseudonymize.gate.settings import ReleaseClass
from pseudonymize.vault import Vault
from recsys.console import warn
from recsys.errors import ContractError

_UNGATED: Final = "ungated"


def logged(action: str, domain: str, custodian: Vault, *, gated: bool, asked: bool = False) -> str:
    """What the key log calls an action that makes tokens of `domain`; a warning where a partner's come by ungated.

    Args:
        action: The command.
        domain: Of the tokens.
        custodian: Knows which domains are the retailer's own.
        gated: Whether the gate for partners judges what goes out.
        asked: Whether somebody said in so many words that it shall not.
    """
    if gated or domain in custodian.record.own_domains:
        return action
    if not asked:
        warn(
            f"{domain!r} is no domain of the retailer's own, and NO GATE FOR PARTNERS looks at this: whole histories, "
            "with days, amounts and receipts, find people again. For a partner: `run` or `gate --apply` with --release "
            "external. The key log says that this was ungated."
        )
    return f"{action}, {_UNGATED}"


def passed_as_external(file: Path) -> bool:
    """Whether a file is of a release that the gate for partners let through."""
    try:
        finished = finished_in(file.parent)
    except ContractError:
        return False
    verdict = finished.verdict
    known = verdict is not None and verdict.release is ReleaseClass.EXTERNAL and verdict.passed
    return known and file.name in finished.release.files
