"""The commands of `recsys-serve`."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.progress import Progress

from recsys.console import new_app, print_json, say, screen, step, today, warn
from recsys.console import now as this_instant
from recsys.contracts.catalogue import CATALOGUE
from recsys.contracts.purchases import read_purchases
from recsys.contracts.recipient import SERVING
from recsys.contracts.rekey import RekeyReceipt, read_map
from recsys.contracts.rekeying import finish, interrupted
from recsys.contracts.subjects import SUBJECTS
from recsys.errors import ContractError
from recsys.policy import load_policy, place
from serving.load import load_people, people_of
from serving.starting import HELP, serve
from serving.stores import Store, create_store, open_store

app: Final = new_app(HELP)

_GUARDS: Final = typer.Option("--guards", help="The guards' policy.")
_CATALOGUE: Final = typer.Option("--catalogue", help="What is sold: .parquet or .csv.")
_STATE: Final = typer.Option("--state", help="What is remembered of people: sqlite:///PATH.")
_JSON: Final = typer.Option("--json", help="Print the result as one line of JSON.")

app.callback(invoke_without_command=True)(serve)


@app.command()
def load(
    state: Annotated[str, _STATE],
    purchases: Annotated[Path, typer.Option("--purchases", help="A purchases file, or a release's folder.")],
    subjects: Annotated[Path, typer.Option("--subjects", help="Who agreed to what.")],
    catalogue: Annotated[Path, _CATALOGUE],
    guards: Annotated[Path, _GUARDS],
    json: Annotated[bool, _JSON] = False,  # noqa: FBT002 - a flag of the command line
) -> None:
    """Put purchases and consents into the store, in place of everything that was there of their epoch.

    People of an older epoch stay until `recsys-serve rekey` applies the custodian's map.

    Purchases in categories that --guards never offers are left out and counted, and so are those of items that the
    catalogue does not know. Whoever is not in --subjects has agreed to nothing. If it fails, nothing was changed.

    Example: `recsys-serve load --state sqlite:///state.db --purchases release/purchases.parquet
    --subjects release/subjects.parquet --catalogue catalogue.parquet --guards grocery.toml`
    """
    policy, sold = load_policy(guards), CATALOGUE.read(catalogue)
    placement = place(policy, sold)
    for warning in placement.warnings:
        warn(warning)
    with step("Reading and checking purchases and subjects"):
        people, loaded = people_of(
            read_purchases(purchases, today=today()),
            SUBJECTS.read(subjects),
            sold=sold["item"],
            never=placement.items_of(policy.never),
        )
    with contextlib.closing(create_store(state)) as store, _progress(loaded.subjects) as written:
        load_people(store, people, progress=written)
    say(
        f"Loaded {loaded.subjects:,} subjects ({loaded.without_consents:,} of them without any consent) with "
        f"{loaded.purchases:,} purchases. Left out: {loaded.dropped_never:,} that are never offered, "
        f"{loaded.dropped_unknown:,} of items that are not in the catalogue."
    )
    if json:
        print_json(loaded)


@app.command()
def rekey(
    map_file: Annotated[Path, typer.Argument(metavar="MAP", help="The one-time map that the custodian sent.")],
    state: Annotated[str, _STATE],
    out: Annotated[Path, typer.Option("--out", help="Where the receipt for the custodian goes.")],
    json: Annotated[bool, _JSON] = False,  # noqa: FBT002 - a flag of the command line
) -> None:
    """Move the state to the tokens of a new epoch, destroy the map, and answer with a receipt.

    Histories, consents and what is known of events go with the person. Either every token is replaced or nothing is
    changed. Where it was interrupted, run it again. Then start servers anew: a running one may go on taking old tokens,
    as those of strangers.

    Example: `recsys-serve rekey map.parquet --state sqlite:///state.db --out receipt.json`
    """
    with contextlib.closing(open_store(state)) as store:
        receipt = _applied(store, map_file, out)
    finished = finish(receipt, map_file=map_file, out=out)
    replaced = ", ".join(f"{count:,} in {table}" for table, count in finished.replaced.items())
    say(f"Tokens replaced: {replaced}. Epoch {finished.from_epoch} is {finished.to_epoch} now; the map is destroyed.")
    say(f"Receipt: {out}")
    if json:
        print_json(finished)


def _applied(store: Store, map_file: Path, out: Path) -> RekeyReceipt:
    """The receipt of the map, which is applied unless it was before."""
    pending = interrupted(SERVING, map_file=map_file, out=out)
    if pending is not None:
        if store.rekeyed(pending.map_id) is None:
            raise ContractError(
                "is the receipt for a map that was not applied to this state",
                where=str(out),
                mend="Name another file, and the map that the custodian sent",
            )
        say("Going on where it was interrupted: the map had been applied.")
        return pending
    applied = read_map(map_file)
    earlier = store.rekeyed(applied.header.map_id)
    if earlier is not None:
        say(f"This map was applied already, on {earlier.applied_at:%Y-%m-%d}; nothing was changed but its file.")
        return earlier
    with step("Rekeying"):
        return store.rekey(applied, now=this_instant())


@contextlib.contextmanager
def _progress(subjects: int) -> Iterator[Callable[[int], None]]:
    """A bar that shows how many subjects were written; nothing where standard error is not a terminal."""
    with Progress(console=screen, transient=True, disable=not screen.is_terminal) as bar:
        task = bar.add_task("Writing subjects", total=subjects)
        yield lambda written: bar.advance(task, written)
