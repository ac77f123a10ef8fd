"""`recsys-serve load`."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import Progress

from recsys.console import now as this_instant
from recsys.console import print_json, say, screen, step, today, warn
from recsys.contracts.catalogue import CATALOGUE
from recsys.contracts.purchases import purchase_files, read_purchases
from recsys.contracts.subjects import SUBJECTS
from recsys.files import sha256_of
from recsys.policy import load_policy, place
from serving.commands.options import Json, State
from serving.load import Loaded, load_people, people_of
from serving.stores import People, create_store, discard_unused


def load(
    state: State,
    purchases: Annotated[Path, typer.Option("--purchases", help="A purchases file, or a release's folder.")],
    subjects: Annotated[Path, typer.Option("--subjects", help="Who agreed to what.")],
    catalogue: Annotated[Path, typer.Option("--catalogue", help="What is sold: .parquet or .csv.")],
    guards: Annotated[Path, typer.Option("--guards", help="The guards' policy.")],
    json: Json = False,  # noqa: FBT002 - a flag of the command line
) -> None:
    """Put purchases and consents into the store, in place of what was loaded of their epoch before.

    What came through the service stays: exposures, dismissals, arms, and what was said about a consent, which comes
    before the file. Purchases that came as events stay if they are later than the file's last day; the others are
    taken to be in the file. Nobody who was erased comes back. People of an older epoch stay until `recsys-serve rekey`
    applies the custodian's map.

    Purchases in categories that --guards never offers are left out and counted, and so are those of items that the
    catalogue does not know. Whoever is not in --subjects has agreed to nothing. Servers may run meanwhile: all of it
    holds at once, at the end. Where it was interrupted, run it again: it goes on.

    Example: `recsys-serve load --state sqlite:///state.db --purchases release/purchases.parquet
    --subjects release/subjects.parquet --catalogue catalogue.parquet --guards grocery.toml`
    """
    policy, sold = load_policy(guards), CATALOGUE.read(catalogue)
    placement = place(policy, sold)
    for warning in placement.warnings:
        warn(warning)
    with step("Reading and checking purchases and subjects"):
        people, counts = people_of(
            read_purchases(purchases, today=today()),
            SUBJECTS.read(subjects),
            sold=sold["item"],
            never=placement.items_of(policy.never),
            where=(str(purchases), str(subjects)),
        )
        files = [*purchase_files(purchases), subjects, catalogue, guards]
        people = dataclasses.replace(people, fingerprint=_fingerprint(files))
    loaded = _write(state, people, counts)
    say(
        f"Loaded {loaded.subjects:,} subjects ({loaded.without_consents:,} of them without any consent) with "
        f"{loaded.purchases:,} purchases. Left out: {loaded.dropped_never:,} that are never offered, "
        f"{loaded.dropped_unknown:,} of items that are not in the catalogue, {loaded.erased:,} people who were erased."
    )
    if json:
        print_json(loaded)


def _write(state: str, people: People, counts: Loaded) -> Loaded:
    with contextlib.ExitStack() as undoing:
        store = create_store(state)
        undoing.callback(discard_unused, state)  # a file that was made for nothing is not left behind
        undoing.callback(store.close)
        with _progress(counts.subjects) as written:
            return load_people(store, people, counts, now=this_instant(), progress=written)


def _fingerprint(files: list[Path]) -> str:
    """Names what is loaded, and how it is sorted out."""
    return hashlib.sha256("".join(sha256_of(file) for file in files).encode()).hexdigest()


@contextlib.contextmanager
def _progress(subjects: int) -> Iterator[Callable[[int], None]]:
    """A bar that shows how many subjects were written; nothing where standard error is not a terminal."""
    with Progress(console=screen, transient=True, disable=not screen.is_terminal) as bar:
        task = bar.add_task("Writing subjects", total=subjects)
        yield lambda written: bar.advance(task, written)
