"""The commands of `recsys-pseudonymize`."""

from __future__ import annotations

from typing import Final

from pseudonymize.commands import gate, gateway, keys, links, people, policy, release, tokens
from pseudonymize.commands.quarantine import quarantine
from recsys.console import new_app

app: Final = new_app(
    "The identity gate: raw files in, tables of tokens out. Run it where the keys are, and nowhere else."
)
app.add_typer(keys.app, name="keys")
app.add_typer(tokens.recipients_app, name="recipients")
app.add_typer(gateway.app, name="callers")
for command in (
    *(policy.check, policy.suggest, policy.record),
    *(gate.run, release.gate, gate.token),
    *(tokens.redomain, tokens.epoch),
    *(links.link, links.unlink),
    *(people.forget, people.lift, quarantine),
    gateway.serve,
):
    app.command()(command)
