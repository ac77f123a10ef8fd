"""Starting the server: what the bare command `recsys-serve` does."""

from __future__ import annotations

import contextlib
import ipaddress
import secrets
from pathlib import Path
from typing import Annotated, Final, TypeVar

import numpy as np
import typer

from recsys.bundle import load_bundle
from recsys.console import print_json, say, step, warn
from recsys.contracts.catalogue import CATALOGUE
from recsys.contracts.offers import OFFERS
from recsys.errors import UsageError
from recsys.offer_book import open_offer_book
from recsys.policy import load_policy
from recsys.recommender import Recommender
from recsys.scorer import Scorer
from serving.app import create_app
from serving.clock import clock_from, parse_instant, utc_clock
from serving.deciding import Decider
from serving.listening import bind, listen, url_of
from serving.stores import open_store

HELP: Final = """Guarded offers over HTTP, for people whom the service knows by token only.

All options but --host, --port, --explain, --now and --json are needed. There is no authentication yet: whoever
reaches the port may ask and report, so leave it on 127.0.0.1 and let nobody onto that machine who may not.

Example: `recsys-serve --bundle models/grocery --trust signing.key.pub --guards grocery.toml
--catalogue catalogue.parquet --offers offers.parquet --state sqlite:///state.db --port 8000`
"""

_GUARDS: Final = typer.Option("--guards", help="The guards' policy.")
_CATALOGUE: Final = typer.Option("--catalogue", help="What is sold: .parquet or .csv.")
_STATE: Final = typer.Option("--state", help="What is remembered of people: sqlite:///PATH.")
_JSON: Final = typer.Option("--json", help="Print the result as one line of JSON.")

T = TypeVar("T")


def serve(  # noqa: PLR0913, PLR0917 - a command's options are its arguments
    context: typer.Context,
    bundle: Annotated[Path | None, typer.Option("--bundle", help="models/NAME, or models/NAME/VERSION.")] = None,
    trust: Annotated[Path | None, typer.Option("--trust", help="The public key that must have signed it.")] = None,
    guards: Annotated[Path | None, _GUARDS] = None,
    catalogue: Annotated[Path | None, _CATALOGUE] = None,
    offers: Annotated[Path | None, typer.Option("--offers", help="What may be sent: .parquet or .csv.")] = None,
    state: Annotated[str | None, _STATE] = None,
    host: Annotated[str, typer.Option("--host", help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="0 takes any free one.")] = 8000,
    explain: Annotated[bool, typer.Option("--explain", help="Count in decisions what was withheld.")] = False,  # noqa: FBT002 - a flag of the command line
    now: Annotated[str | None, typer.Option("--now", help="Where the clock starts, for replays.")] = None,
    json: Annotated[bool, _JSON] = False,  # noqa: FBT002 - a flag of the command line
) -> None:
    """Serve decisions and take events until told to stop."""
    if context.invoked_subcommand is not None:
        return
    started_at = None if now is None else parse_instant(now, option="--now")
    recommender = _recommender(
        _needed(bundle, "--bundle"),
        _needed(trust, "--trust"),
        _needed(guards, "--guards"),
        _needed(catalogue, "--catalogue"),
        _needed(offers, "--offers"),
    )
    with contextlib.closing(open_store(_needed(state, "--state"))) as store, bind(host, port) as listening:
        decider = Decider(recommender, store, np.random.default_rng(secrets.randbits(128)), explain)
        clock = utc_clock if started_at is None else clock_from(started_at)
        decider.warm_up(clock())
        service = create_app(decider, clock, clock_started_at=started_at)
        if not ipaddress.ip_address(listening.getsockname()[0]).is_loopback:
            warn("There is no authentication yet, and other machines can reach this port.")
        if started_at is not None:
            say(f"The clock starts at {started_at:%Y-%m-%d %H:%M:%S} UTC, as --now asks.")
        url = url_of(listening)
        listen(service, listening, ready=lambda: print_json({"url": url}) if json else typer.echo(url))


def _recommender(bundle: Path, trust: Path, guards: Path, catalogue: Path, offers: Path) -> Recommender:
    with step("Verifying the bundle"):
        scorer = Scorer(load_bundle(bundle, trust=trust))
    with step("Reading policy, catalogue and offers"):
        book = open_offer_book(OFFERS.read(offers), CATALOGUE.read(catalogue), load_policy(guards))
    for warning in book.warnings:
        warn(warning)
    recommender = Recommender(scorer, book)
    if book.unplaced.any():
        warn(f"{book.unplaced.sum():,} offers hold an item that the catalogue cannot place; they are withheld.")
    say(f"Model {scorer.bundle.model_version}, policy {book.policy.policy_version}, {len(book):,} offers.")
    return recommender


def _needed(value: T | None, option: str) -> T:
    """The value of an option that only the bare command needs, so that `load` does not ask for it."""
    if value is None:
        raise UsageError("is missing", where=option, mend="See recsys-serve --help")
    return value
