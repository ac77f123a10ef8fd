"""The public record of processing: what is collected, why, in what form, for how long. From the policy alone."""

from __future__ import annotations

from pseudonymize.fields import FieldPolicy, Table, role_name
from pseudonymize.reasons import why
from pseudonymize.report import became
from recsys.errors import PolicyError


def processing_record(policy: FieldPolicy) -> str:
    """The record, in Markdown.

    Raises:
        PolicyError: A table that does not say why it is collected, or for how long it is kept.
    """
    for table in policy.tables:
        for key in ("purpose", "retention"):
            if not str(getattr(table, key)).strip():
                mend = f'Write {key} = "…" into it, for the people whom it is about'
                raise PolicyError(f"has no {key}", where=f"{policy.path}, tables.{table.name}", mend=mend)
    head = [
        f"# Record of processing: {policy.name or policy.path.stem}",
        "",
        f"Field policy `{policy.sha256}`. Tokens are personal data: whoever holds the vault can tell whose they are.",
        "",
    ]
    return "\n".join([*head, *(line for table in policy.tables for line in _section(table))])


def _section(table: Table) -> list[str]:
    rows = [
        f"| {column} | {role_name(type(role))} | {became(column, role, table, None)} | {why(role)} |"
        for column, role in table.columns.items()
    ]
    return [
        f"## {table.name}",
        "",
        f"Purpose: {table.purpose}",
        "",
        f"Kept for: {table.retention}",
        "",
        "| collected | as | in the form | because |",
        "|---|---|---|---|",
        *rows,
        "",
    ]
