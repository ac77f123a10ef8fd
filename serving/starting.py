"""Starting the server: what the bare command `recsys-serve` does."""

from __future__ import annotations

import dataclasses
import time
from pathlib import Path
from typing import Annotated, Final

import typer

from serving.clock import parse_instant
from serving.clockwork import Clockwork
from serving.settings import Settings, read_settings
from web.tls import check_pair

HELP: Final = """Guarded offers over HTTP, for people whom the service knows by token only.

Every option can also stand in a file (--config) or in the environment (RECSYS_SERVE_STATE, …); docs/serving.md has all
of them. --bundle, --trust, --guards, --catalogue, --offers and --state are needed. Callers need keys: see
`recsys-serve keys --help`.

Example: `recsys-serve --bundle models/grocery --trust signing.key.pub --guards grocery.toml
--catalogue catalogue.parquet --offers offers.parquet --state sqlite:///state.db --port 8000`
"""


def _option(name: str) -> str:
    """What is said of a setting."""
    return Settings.model_fields[name].description or ""


def serve(  # noqa: PLR0913, PLR0917 - a command's options are its arguments
    context: typer.Context,
    bundle: Annotated[Path | None, typer.Option("--bundle", help=_option("bundle"))] = None,
    trust: Annotated[Path | None, typer.Option("--trust", help=_option("trust"))] = None,
    guards: Annotated[Path | None, typer.Option("--guards", help=_option("guards"))] = None,
    catalogue: Annotated[Path | None, typer.Option("--catalogue", help=_option("catalogue"))] = None,
    offers: Annotated[Path | None, typer.Option("--offers", help=_option("offers"))] = None,
    state: Annotated[str | None, typer.Option("--state", help=_option("state"))] = None,
    statistics: Annotated[Path | None, typer.Option("--statistics", help=_option("statistics"))] = None,
    shadow: Annotated[Path | None, typer.Option("--shadow", help=_option("shadow"))] = None,
    challenger: Annotated[Path | None, typer.Option("--challenger", help=_option("challenger"))] = None,
    host: Annotated[str | None, typer.Option("--host", help=_option("host"))] = None,
    port: Annotated[int | None, typer.Option("--port", min=0, max=65535, help=_option("port"))] = None,
    workers: Annotated[int | None, typer.Option("--workers", min=1, max=64, help=_option("workers"))] = None,
    tls_certificate: Annotated[Path | None, typer.Option("--tls-certificate", help=_option("tls_certificate"))] = None,
    tls_key: Annotated[Path | None, typer.Option("--tls-key", help=_option("tls_key"))] = None,
    config: Annotated[Path | None, typer.Option("--config", help="A TOML file with settings.")] = None,
    now: Annotated[str | None, typer.Option("--now", help="Where the clock starts, for replays.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print the address as one line of JSON.")] = False,  # noqa: FBT002 - a flag of the command line
) -> None:
    """Answer requests until told to stop."""
    if context.invoked_subcommand is not None:
        return
    clockwork = Clockwork() if now is None else Clockwork(parse_instant(now, option="--now"), time.monotonic())
    files: dict[str, object] = {
        "bundle": bundle,
        "trust": trust,
        "guards": guards,
        "catalogue": catalogue,
        "offers": offers,
        "statistics": statistics,
    }
    beside: dict[str, object] = {"shadow": shadow, "challenger": challenger}
    others: dict[str, object] = {"state": state, "host": host, "port": port, "workers": workers}
    encryption: dict[str, object] = {"tls_certificate": tls_certificate, "tls_key": tls_key}
    settings = read_settings(files | beside | others | encryption, config)
    clockwork = dataclasses.replace(clockwork, trusted=settings.accept_clock)
    check_pair(settings.tls_certificate, settings.tls_key)
    from serving.running import serve_alone, serve_together  # noqa: PLC0415 - no other command needs what they import

    if settings.workers == 1:
        serve_alone(settings, clockwork, as_json=json)
    else:
        serve_together(settings, clockwork, as_json=json)
