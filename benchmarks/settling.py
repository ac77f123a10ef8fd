"""Writing decisions down, held against making them: `python -m benchmarks.settling [--work build/demo]`.

Needs the files that `make demo` leaves; its state is copied. Making: reading the person, scoring, guards, list and
reasons. Writing: the transaction with the audit record, each decision alone and sixteen at a time, as requests that
wait for the same transaction are.
"""

from __future__ import annotations

import argparse
import contextlib
import datetime as dt
import shutil
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from benchmarks.population import shop_in
from benchmarks.timing import compare
from recsys.contracts.decision import DecisionRequest
from recsys.errors import RecsysError
from recsys.recommender import Recommender
from serving.stores import Settling, Store, open_store

AT = dt.datetime(2017, 11, 27, 9, tzinfo=dt.UTC)
PEOPLE, TOGETHER = 200, 16


def main() -> None:
    """Print both, and how many times as fast as making it a decision is written down."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, default=Path("build/demo"))
    work = parser.parse_args().work
    with tempfile.TemporaryDirectory() as folder:
        try:
            recommender = shop_in(work).recommender()
            store = open_store(f"sqlite:///{shutil.copy(work / 'state.db', folder)}")
        except (OSError, RecsysError) as error:
            sys.exit(f"Run `make demo` first: {error}")
        with contextlib.closing(store):
            _measure(store, recommender)


def _measure(store: Store, recommender: Recommender) -> None:
    people = [subject for part in store.exports.subjects() for subject in part["subject"]][:PEOPLE]
    made: list[Settling] = []

    def make() -> None:
        made.extend(_decided(store, recommender, subject) for subject in people)

    for label, size in (("one at a time", 1), (f"{TOGETHER} together", TOGETHER)):
        make()
        result = compare(f"{PEOPLE} decisions written down, {label}", _writing(store, made, size), make)
        sys.stdout.write(f"{result}   {result.ours / PEOPLE * 1e6:10,.0f} us a decision\n")


def _decided(store: Store, recommender: Recommender, subject: str) -> Settling:
    known = store.read([subject], recommender.book.index)
    request = DecisionRequest(subject=subject, channel="email")
    (decision,) = recommender.decide([request], known.histories, known.states, at=AT, rng=np.random.default_rng())
    return Settling(decision=decision, request=request)


def _writing(store: Store, made: list[Settling], size: int) -> Callable[[], object]:
    """Writes down what was made since the last time."""

    def write() -> None:
        taken: Sequence[Settling] = made[:PEOPLE]
        del made[:PEOPLE]
        for start in range(0, len(taken), size):
            store.settle(taken[start : start + size], now=AT)

    return write


if __name__ == "__main__":
    main()
