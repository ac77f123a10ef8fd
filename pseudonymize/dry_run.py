"""A dry run: everything that a run does, with keys that are thrown away, and nothing written."""

from __future__ import annotations

import datetime as dt
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import msgspec
import polars as pl

from pseudonymize.distinct import Coded
from pseudonymize.fields import BadRows, FieldPolicy
from pseudonymize.gate.keeper import Gatekeeper
from pseudonymize.gate.never import Never
from pseudonymize.gate.text_scan import TextFinding
from pseudonymize.matching import matched
from pseudonymize.quarantine import Quarantine
from pseudonymize.report import FieldReport, TableReport, field_reports
from pseudonymize.run import Gate, Run
from pseudonymize.tokeniser import Tokeniser
from pseudonymize.vault import DEFAULT_DOMAIN, create_vault, open_vault
from recsys.contracts.table import TableContract
from recsys.errors import ContractError


class Check(msgspec.Struct, frozen=True, kw_only=True):
    """What a run would do.

    `bad_rows` counts rows by column and reason; `refused`: whether they would stop the run. `texts` would, always.
    """

    tables: tuple[TableReport, ...]
    fields: tuple[FieldReport, ...]
    bad_rows: dict[str, int]
    refused: bool
    texts: tuple[TextFinding, ...]


def dry_run(policy: FieldPolicy, inputs: Sequence[Path], now: dt.datetime) -> Check:
    """What `run` would do with these files, every bad row counted instead of the first one refused.

    Raises:
        ContractError: Files whose columns are not those of the policy, a low-cardinality column to be tokenised, a
            person in two rows.
    """
    lenient = replace(policy, tables=tuple(replace(table, bad_rows=BadRows.QUARANTINE) for table in policy.tables))
    with tempfile.TemporaryDirectory() as folder:
        create_vault(Path(folder) / "vault", kek_file=None, environ={}, now=now)
        vault = open_vault(Path(folder) / "vault", kek_file=None, environ={}, now=now)
        tokeniser = Tokeniser(vault, policy.fields, vault.current(DEFAULT_DOMAIN), action="check")
        gate = Gate(
            Run(lenient, tokeniser, Never(), now.date(), vault.path, Gatekeeper(settings=policy.gate)),
            _nowhere,
            Quarantine(None, ""),
        )
        strict = {table.name for table in policy.tables if table.bad_rows is BadRows.REFUSE}
        reasons: Counter[str] = Counter()  # of the strict tables
        for table, file in matched(inputs, lenient):
            before = gate.quarantine.reasons.copy()
            gate.admit_all([(table, file)])
            if table.name in strict:
                reasons += gate.quarantine.reasons - before
        counts = gate.check()
    unread = {field.form().unread for field in policy.fields.values()}  # goes to quarantine, however strict the table
    return Check(
        tables=tuple(tally.report() for tally in gate.tallies.values()),
        fields=field_reports(policy, counts),
        bad_rows=dict(gate.quarantine.reasons.most_common()),
        texts=gate.texts(),
        refused=any(reason.partition(": ")[2] not in unread for reason in reasons),
    )


def refuse_bad(check: Check) -> None:
    """Raise `ContractError` where `run` would."""
    if check.texts:
        first = check.texts[0]
        what = f"column {first.column!r} holds what looks like {first.trace}, first in row {first.row}"
        raise ContractError(what, where=first.where, mend="Drop the column, or clean it before the gate")
    if check.refused:
        mend = "Mend the rows, or set bad_rows = 'quarantine' for the table"
        raise ContractError(f"rows that do not fit: {sum(check.bad_rows.values())}", where="the files", mend=mend)


def _nowhere(contract: TableContract, frame: pl.DataFrame, coded: Mapping[str, Coded]) -> None:
    """Where the rows of a dry run go."""
