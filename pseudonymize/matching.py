"""Which table of the field policy a raw file is, and whether the two name the same columns."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from fnmatch import fnmatchcase
from pathlib import Path

from pseudonymize.fields import FieldPolicy, Table
from pseudonymize.inputs import RawFile, open_raw
from recsys.errors import ContractError, UsageError


def matched(paths: Iterable[Path], policy: FieldPolicy) -> list[tuple[Table, RawFile]]:
    """Open the files and find each one's table, in the order of the policy, then of the command line.

    Raises:
        UsageError: A file is named twice.
        ContractError: A file that no table or more than one table matches, or whose columns are not those of its table.
    """
    found: list[tuple[Table, RawFile]] = []
    seen: set[Path] = set()
    for path in paths:
        if path.resolve() in seen:
            raise UsageError("is named twice", where=str(path), mend="Name it once")
        seen.add(path.resolve())
        if not path.is_file():
            raise UsageError("no such file", where=str(path), mend="Name CSV or Parquet files")
        table, file = _table_of(path, policy), open_raw(path)
        _check_columns(table, file, policy)
        found.append((table, file))
    return sorted(found, key=lambda pair: policy.tables.index(pair[0]))


def _table_of(path: Path, policy: FieldPolicy) -> Table:
    tables = [table for table in policy.tables if fnmatchcase(path.name, table.match)]
    if len(tables) != 1:
        patterns = ", ".join(f"{table.name} ({table.match!r})" for table in tables or policy.tables)
        matches = "no table matches this file" if not tables else "more than one table matches this file"
        raise ContractError(
            matches, where=str(path), mend=f"Rename the file or change {policy.path}, which has {patterns}"
        )
    return tables[0]


def _check_columns(table: Table, file: RawFile, policy: FieldPolicy) -> None:
    where = str(file.path)
    if not set(file.names) & set(table.columns):
        # Not named here: where a header is missing, its place is taken by somebody's data.
        mend = f"Give the file its header, or say in {policy.path} what its columns are"
        raise ContractError(f"has none of the columns of tables.{table.name}", where=where, mend=mend)
    missing = [name for name in table.columns if name not in file.names]
    unknown = [name for name in file.names if name not in table.columns]
    if missing:
        near = difflib.get_close_matches(missing[0], unknown, n=1)
        place = f"Is it column {file.names.index(near[0]) + 1}?" if near else ""
        mend = place or f"Add it, or take it out of tables.{table.name} in {policy.path}"
        raise ContractError(f"column {missing[0]!r} is missing", where=where, mend=mend)
    if unknown:
        place = f"column {file.names.index(unknown[0]) + 1}"  # its name may be somebody's data, as above
        near = difflib.get_close_matches(unknown[0], table.columns, n=1) if _is_like_a_name(unknown[0]) else []
        what = f"{place} is not named in tables.{table.name}" + (f" (it is most like {near[0]!r})" if near else "")
        mend = f"Say in {policy.path} what becomes of it, if only role = 'drop'"
        raise ContractError(what, where=where, mend=mend)


def _is_like_a_name(header: str) -> bool:
    return re.fullmatch(r"[A-Za-z_][A-Za-z0-9_ ]{0,40}", header) is not None
