"""Running the server: from settings to a process that answers, or several."""

from __future__ import annotations

import contextlib
import ipaddress
import signal
import socket
import sys

import typer

from recsys.amounts import amount
from recsys.console import print_json, say, step, warn
from serving.active import Active
from serving.clockwork import Clockwork
from serving.crew import supervise
from serving.settings import Settings
from serving.timekeeping import CLOCK_IS_RIGHT
from serving.workers import application, opened
from web.listening import bind, listen, url_of


def serve_alone(settings: Settings, clockwork: Clockwork, *, as_json: bool) -> None:
    """In this process.

    Raises:
        RecsysError: Something cannot be used.
    """
    signal.signal(CLOCK_IS_RIGHT, signal.SIG_IGN)  # until it serves: it takes the clock as it finds it anyway
    with contextlib.ExitStack() as stack:
        with step("Verifying the bundle; reading policy, catalogue and offers"):
            service = stack.enter_context(opened(settings, clockwork))
        listening = stack.enter_context(bind(settings.host, settings.port))
        url = url_of(listening, encrypted=settings.encrypted)
        _say_what_serves(service.standing.active, clockwork)
        _say_who_may_come(listening, settings)
        app = application(service, settings)
        listen(app, listening, settings.terms, lambda: _tell(url, as_json=as_json), service.metrics.count_refusal)


def serve_together(settings: Settings, clockwork: Clockwork, *, as_json: bool) -> None:
    """In several processes; ends this one.

    Raises:
        RecsysError: Something cannot be used.
    """
    with bind(settings.host, settings.port) as listening:
        url = url_of(listening, encrypted=settings.encrypted)
        _say_who_may_come(listening, settings)
        status = supervise(settings, listening, clockwork, lambda: _tell(url, as_json=as_json))
    sys.exit(status)


def _tell(url: str, *, as_json: bool) -> None:
    if as_json:
        print_json({"url": url})
    else:
        typer.echo(url)


def _say_what_serves(active: Active, clockwork: Clockwork) -> None:
    for warning in active.book.warnings:
        warn(warning)
    if active.book.unplaced.any():
        withheld = amount(int(active.book.unplaced.sum()), "offer is withheld", "offers are withheld")
        warn(f"{withheld}: the catalogue cannot place an item that they hold.")
    if active.challenger is not None and active.policy.trial is None:
        warn("A challenger is named, and the policy has no [trial]: it decides for nobody.")
    say(f"Model {active.model_version}, policy {active.policy.policy_version}, {amount(len(active.book), 'offer')}.")
    if active.statistics is not None:
        say(f"Item statistics as of {active.statistics.as_of}.")
    if clockwork.started_at is not None:
        say(f"The clock starts at {clockwork.started_at:%Y-%m-%d %H:%M:%S} UTC, as --now asks.")


def _say_who_may_come(listening: socket.socket, settings: Settings) -> None:
    if not settings.encrypted and not ipaddress.ip_address(listening.getsockname()[0]).is_loopback:
        warn(
            "Other machines can reach this port, and nothing is encrypted: "
            "set --tls-certificate, or put a proxy with TLS before it."
        )
