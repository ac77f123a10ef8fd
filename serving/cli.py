"""The commands of `recsys-serve`."""

from __future__ import annotations

from typing import Final

from recsys.console import new_app
from serving.commands import audit, keys
from serving.commands.backup import backup, forget_again
from serving.commands.export import export
from serving.commands.forget import forget
from serving.commands.load import load
from serving.commands.rekey import rekey
from serving.commands.release import release
from serving.commands.relink import relink
from serving.starting import HELP, serve

app: Final = new_app(HELP)

app.callback(invoke_without_command=True)(serve)
app.command()(load)
app.command()(rekey)
app.command()(relink)
app.command()(forget)
app.command()(export)
app.command()(release)
app.command()(backup)
app.command()(forget_again)
app.add_typer(keys.app, name="keys")
app.add_typer(audit.app, name="audit")
