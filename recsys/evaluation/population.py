"""The people of a retailer's files, as the recommender takes them: histories and states, the same as from a store."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec
import polars as pl

from recsys.contracts.document import decode_document
from recsys.contracts.state import EMPTY_STATE, State, SubjectState
from recsys.contracts.subjects import SUBJECTS
from recsys.contracts.token import Lineage, Token, parse_token
from recsys.errors import ContractError
from recsys.evaluation.source import Source, check_lineage
from recsys.history import Histories, ItemIndex, histories


@dataclass(frozen=True, slots=True)
class Population:
    """Everyone who is in the purchases or in the subjects file.

    Args:
        subjects: Their tokens, sorted.
        states: What is known of each; who is missing has agreed to nothing.
        purchases: In the purchases contract.
        lineage: The domain and epoch of the tokens.
    """

    subjects: tuple[str, ...]
    states: Mapping[str, State]
    purchases: pl.DataFrame
    lineage: Lineage

    def state(self, subject: str) -> State:
        """The state of one subject; the empty one for a stranger."""
        return self.states.get(subject, EMPTY_STATE)

    def histories(self, index: ItemIndex, *, until: dt.date, subjects: tuple[str, ...]) -> Histories:
        """The histories of some subjects; nothing dated on or after `until` counts."""
        own = self.purchases
        if len(subjects) < len(self.subjects):
            own = own.filter(pl.col("subject").is_in(list(subjects)))
        return histories(own, index, until=until, subjects=subjects)


def read_population(source: Source, subjects: Path, state: Path | None) -> Population:
    """Read who there is.

    Args:
        source: The purchases.
        subjects: In the subjects contract.
        state: JSON lines of `SubjectState`; a subject that stands there has that state, and nothing else. None: what
            the subjects file says is all that is known.

    Raises:
        ContractError: A file breaks its contract.
        TokenError: A file holds tokens of another domain or epoch than the purchases.
    """
    people = SUBJECTS.read(subjects)
    check_lineage(people["subject"], source.lineage, where=str(subjects))
    states = {row["subject"]: state_of(row) for row in people.iter_rows(named=True)}
    if state is not None:
        states |= {line.subject: line.state for line in _lines(state, source.lineage)}
    everyone = sorted({*source.purchases["subject"].unique(), *states})
    return Population(tuple(everyone), states, source.purchases, source.lineage)


def state_of(row: Mapping[str, object]) -> State:
    """The state that a row of the subjects contract gives."""
    known = {name: row[name] for name in ("adult", "store", "region") if row.get(name) is not None}
    lists = {"consents": frozenset(_texts(row["consents"])), "interests": tuple(_texts(row.get("interests")))}
    return msgspec.convert(known | lists, State)


def subject_from(text: str, lineage: Lineage) -> Token:
    """A token from standard input: identifiers never come from the command line, which every process can see."""
    return parse_token(text.strip(), where="standard input", accepted=frozenset({lineage}))


def _texts(values: object) -> list[str]:
    return [str(value) for value in values] if isinstance(values, list) else []


def _lines(path: Path, lineage: Lineage) -> Iterator[SubjectState]:
    try:
        lines = path.read_bytes().splitlines()
    except OSError as error:
        raise ContractError(
            f"the state cannot be read ({error.strerror})", where=str(path), mend="Name a file of JSON lines"
        ) from None
    seen: set[str] = set()
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        where = f"{path}, line {number}"
        read = decode_document(line, SubjectState, where=where)
        parse_token(read.subject, where=where, accepted=frozenset({lineage}))
        if read.subject in seen:
            raise ContractError("stands there for the second time", where=where, mend="Keep one line a subject")
        seen.add(read.subject)
        yield read
