"""Writes `docs/contracts.md` from the contracts themselves: `python docs/render_contracts.py`."""

from __future__ import annotations

import inspect
import sys
import types
import typing
from pathlib import Path

import msgspec

from recsys import contracts
from recsys.contracts.access import HeldEvent, PreferenceRecord, PurchaseDay, SubjectAccess
from recsys.contracts.audit import DECISIONS, AuditReport, Checkpoint, DecisionRecord
from recsys.contracts.catalogue import CATALOGUE
from recsys.contracts.dataset import Dataset, DatasetRelease, DatasetState, Tombstone
from recsys.contracts.decision import Decision, DecisionRequest, RankedOffer, Reason
from recsys.contracts.erasure import AffectedBundle, ErasedToken, ErasedTokens, ErasureOrder, ErasureReceipt
from recsys.contracts.evaluation_sets import AS_OF, CANDIDATES, DEMOGRAPHICS, REDEMPTIONS
from recsys.contracts.event import EVENTS, Event
from recsys.contracts.manifest import Manifest, TrainingData
from recsys.contracts.offers import OFFERS
from recsys.contracts.preferences import Consent, NewDismissal, Preferences, PreferencesChange, StandingDismissal
from recsys.contracts.purchases import PURCHASES
from recsys.contracts.rekey import REKEY_MAP, MapHeader, RekeyReceipt
from recsys.contracts.release import Release
from recsys.contracts.relink import RELINK_ORDER, RelinkHeader, RelinkReceipt
from recsys.contracts.runs import LISTS, VOCABULARIES, RunModel, Runs, RunWindow
from recsys.contracts.state import Dismissal, Exposure, Reservation, Response, SensitivePurchase, State, SubjectState
from recsys.contracts.statistics import ITEM_STATISTICS
from recsys.contracts.subjects import SUBJECTS
from recsys.contracts.table import TableContract
from recsys.contracts.vocabulary import ITEM_MAP, VOCABULARY
from recsys.history import Histories

TABLES = (
    PURCHASES,
    SUBJECTS,
    CATALOGUE,
    OFFERS,
    REDEMPTIONS,
    DEMOGRAPHICS,
    AS_OF,
    CANDIDATES,
    ITEM_STATISTICS,
    VOCABULARY,
    ITEM_MAP,
    LISTS,
    VOCABULARIES,
    REKEY_MAP,
    RELINK_ORDER,
    EVENTS,
    DECISIONS,
)
DOCUMENTS = (
    *(DecisionRequest, Decision, RankedOffer, Reason, Event),
    *(SubjectState, State, Exposure, Reservation, Response, Dismissal, SensitivePurchase),
    *(Preferences, Consent, StandingDismissal, PreferencesChange, NewDismissal),
    *(SubjectAccess, PurchaseDay, HeldEvent, PreferenceRecord),
    *(DecisionRecord, Checkpoint, AuditReport),
    *(Release, Dataset, DatasetRelease, DatasetState, Tombstone),
    *(Manifest, TrainingData),
    *(Runs, RunWindow, RunModel),
    *(ErasureOrder, ErasureReceipt, AffectedBundle, ErasedTokens, ErasedToken),
    *(MapHeader, RekeyReceipt),
    *(RelinkHeader, RelinkReceipt),
)
PAGE = Path(__file__).parent / "contracts.md"


def page() -> str:
    """The whole page."""
    return "\n".join(
        [
            "# Contracts",
            "",
            "Made by `python docs/render_contracts.py` from `recsys/contracts`; a test keeps the two alike.",
            "",
            _text(contracts.__doc__),
            "",
            "## Token",
            "",
            _text(sys.modules["recsys.contracts.token"].__doc__),
            "",
            "## Tables (Parquet; catalogue and offers also CSV)",
            "",
            *(line for table in TABLES for line in _table(table)),
            "## History",
            "",
            "What the scorer and the guards are given; `recsys.history.Histories`.",
            "",
            _text(Histories.__doc__),
            "",
            "## Documents (JSON)",
            "",
            *(line for document in DOCUMENTS for line in _document(document)),
        ]
    )


def _table(table: TableContract) -> list[str]:
    unique = f" One row for each {' and '.join(table.unique)}." if table.unique else ""
    rows = [
        f"| `{column.name}` | {column.dtype} | {_presence(column.required, column.nullable)} | {column.doc} |"
        for column in table.columns
    ]
    head = ["| column | type | | what it holds |", "|---|---|---|---|"]
    return [
        f"### {table.name}, version {table.version}",
        "",
        f"{_text(_module_doc(table))}{unique}",
        "",
        *head,
        *rows,
        "",
    ]


def _module_doc(table: TableContract) -> str | None:
    for name, module in sorted(sys.modules.items()):
        if name.startswith("recsys.contracts.") and table in vars(module).values():
            return module.__doc__
    raise LookupError(table.name)


def _presence(required: bool, nullable: bool) -> str:  # noqa: FBT001 - two facts about a column, as they stand there
    if not required:
        return "optional"
    return "may be empty" if nullable else "required"


def _document(kind: type[msgspec.Struct]) -> list[str]:
    hints = typing.get_type_hints(kind)
    rows = [
        f"| `{field.name}` | {_spoken(hints[field.name])} | {'required' if field.required else 'optional'} |"
        for field in msgspec.structs.fields(kind)
    ]
    return [
        f"### {kind.__name__}{_version(kind)}",
        "",
        _text(kind.__doc__),
        "",
        "| field | type | |",
        "|---|---|---|",
        *rows,
        "",
    ]


def _version(kind: type[msgspec.Struct]) -> str:
    defaults = {field.name: field.default for field in msgspec.structs.fields(kind)}
    contract = defaults.get("contract", kind.__struct_config__.tag)
    return f": `{contract}`" if contract else ""


def _spoken(hint: object) -> str:
    arguments = typing.get_args(hint)
    if isinstance(hint, types.UnionType) or typing.get_origin(hint) is typing.Union:
        return " or ".join(_spoken(argument) for argument in arguments)
    if arguments:
        inside = ", ".join(_spoken(argument) for argument in arguments if argument is not Ellipsis)
        return f"{getattr(typing.get_origin(hint), '__name__', 'value')} of {inside}"
    return "null" if hint is types.NoneType else getattr(hint, "__name__", str(hint))


def _text(docstring: str | None) -> str:
    return inspect.cleandoc(docstring or "")


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
