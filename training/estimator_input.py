"""What callers of an estimator hand over, checked before anything is made of it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from enum import StrEnum
from typing import Final, TypeVar

import numpy as np
import polars as pl
from numpy.typing import NDArray

from recsys.bundle import Bundle
from recsys.contracts.purchases import PURCHASES
from recsys.contracts.token import Lineage, column_lineage
from recsys.errors import ContractError
from recsys.evaluation.bundle_runs import check_domain
from training.dataset import Dataset

_Choice = TypeVar("_Choice", bound=StrEnum)
_NAMED: Final = 3  # places in a message


def polars_frame(given: object, *, where: str) -> pl.DataFrame:
    """What was given, if it is a frame of polars with rows.

    Raises:
        ContractError: It is none.
    """
    if not isinstance(given, pl.DataFrame):
        kind = type(given)
        mend = "Call collect() on it" if isinstance(given, pl.LazyFrame) else "Make one, say by polars.from_pandas"
        raise ContractError(
            f"is a {kind.__module__.partition('.')[0]}.{kind.__name__}, not a polars.DataFrame", where=where, mend=mend
        )
    if given.is_empty():
        raise ContractError("the frame has no rows", where=where, mend="Give somebody's purchases")
    return given


def purchase_lines(given: Dataset | pl.DataFrame, bundle: Bundle, *, where: str) -> pl.DataFrame:
    """Purchases as `recsys.history` nets them.

    Raises:
        ContractError: A frame breaks the purchases contract.
        TokenError: Tokens are of another domain than the bundle's, or of several domains or epochs.
    """
    if isinstance(given, Dataset):
        check_domain(bundle, Lineage(given.lineage.domain, given.lineage.epoch), where=where)
        return given.bought.lines()
    lines = PURCHASES.checked(polars_frame(given, where=where), where=where)
    check_domain(bundle, column_lineage(lines["subject"], where=where), where=where)
    return lines


def plain_day(given: object, *, name: str) -> dt.date:
    """A day without a time.

    Raises:
        TypeError: It is something else; a time of a day too, since purchases have days.
    """
    if not isinstance(given, dt.date) or isinstance(given, dt.datetime):
        raise TypeError(f"{name} is a {type(given).__name__}, not a datetime.date: write datetime.date(2025, 10, 1)")
    return given


def list_length(given: object, *, name: str) -> int:
    """How long a list is.

    Raises:
        ValueError: It is no whole number above zero.
    """
    if isinstance(given, bool) or not isinstance(given, (int, np.integer)) or given < 1:
        raise ValueError(f"{name} is a whole number, 1 at least")
    return int(given)


def one_of(kind: type[_Choice], given: object, *, name: str) -> _Choice:
    """The choice of that name.

    Raises:
        ValueError: There is none.
    """
    if not isinstance(given, str) or given not in list(kind):
        raise ValueError(f"{name} is one of {', '.join(kind)}, not {given!r}")
    return kind(given)


def item_codes(items: Iterable[str], bundle: Bundle) -> NDArray[np.int64]:
    """int64 [N]: the places of model items in the bundle's vocabulary.

    Raises:
        ContractError: Some are no model items of the bundle. They are told by their places: names may be anything.
        TypeError: One text stands where a list belongs: it would be read letter by letter.
    """
    if isinstance(items, str):
        raise TypeError("items is one text: give a list of model items")
    known = bundle.vocabulary.codes
    codes = np.array([known.get(name, -1) if isinstance(name, str) else -1 for name in items], np.int64)
    missing = np.flatnonzero(codes < 0)
    if len(missing):
        first = ", ".join(f"items[{place}]" for place in missing[:_NAMED])
        more = f" and {len(missing) - _NAMED} more" if len(missing) > _NAMED else ""
        raise ContractError(
            f"{first}{more} do not exist as model items of the bundle",
            mend=f"bundle_.vocabulary.names lists those there are, at level {bundle.manifest.level.value}",
        )
    return codes
