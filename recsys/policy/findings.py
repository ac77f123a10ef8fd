"""What is wrong or odd in a policy, with line and column."""

from __future__ import annotations

from dataclasses import dataclass

from recsys.policy.document import Policy
from recsys.policy.locations import Path, line_and_column, locate


@dataclass(frozen=True, slots=True)
class Finding:
    """Something to say about one place of a policy.

    Args:
        keys: The path to it: `("never", 0)`.
        what: A clause without a full stop.
        mend: What to do about it; empty: nothing is sure enough to be proposed.
    """

    keys: Path
    what: str
    mend: str = ""


def place_of(where: str, text: str, keys: Path) -> str:
    """The file, the line and column of the deepest part of `keys` that it holds, and the keys in full."""
    found = locate(text)
    shown = _spoken(keys)
    named = f", {shown}" if shown else ""
    while keys and keys not in found:
        keys = keys[:-1]
    if keys:
        line, column = line_and_column(text, found[keys])
        return f"{where}, line {line}, column {column}{named}"
    return f"{where}{named}"


def sentences(policy: Policy, findings: list[Finding]) -> tuple[str, ...]:
    """One sentence for each finding, in the order of the file."""
    found = locate(policy.text) if findings else {}
    placed = []
    for finding in findings:
        offset = next(
            (found[finding.keys[:n]] for n in range(len(finding.keys), 0, -1) if finding.keys[:n] in found), -1
        )
        line, column = line_and_column(policy.text, offset) if offset >= 0 else (0, 0)
        start = f"{policy.path}, line {line}, column {column}, " if line else ""
        mend = f"; {finding.mend}" if finding.mend else ""
        placed.append((line, column, f"{start}{_spoken(finding.keys)}: {finding.what}{mend}"))
    return tuple(text for *_, text in sorted(placed))


def _spoken(keys: Path) -> str:
    text = "".join(f"[{key + 1}]" if isinstance(key, int) else f".{key}" for key in keys)
    return text.removeprefix(".")
