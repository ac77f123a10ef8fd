"""The commands of `recsys-serve`."""

from __future__ import annotations

from typing import Final

from recsys.console import new_app
from serving.commands.load import load
from serving.commands.rekey import rekey
from serving.starting import HELP, serve

app: Final = new_app(HELP)

app.callback(invoke_without_command=True)(serve)
app.command()(load)
app.command()(rekey)
