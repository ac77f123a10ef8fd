"""The demo's hands: where its files lie, running the real commands, and showing what came of them."""

from __future__ import annotations

import csv
import json
import os
import shutil
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import polars as pl
from rich.console import Console
from rich.table import Table

from recsys.errors import RecsysError, UsageError

_FIELDS = Path(__file__).parent / "fields.toml"
_UNKNOWN_CARD = "9840000000000000"  # no check digit fits: nobody holds it
_SHOWN = 5
_MARKER = ".a-demo"


class Workshop:
    """The demo's folder, and the commands that fill it."""

    def __init__(self, folder: Path, console: Console) -> None:
        self.folder = folder
        self.console = console
        self.raw, self.vault, self.release = folder / "raw", folder / "vault", folder / "release"
        self.models, self.report, self.signing_key = folder / "models", folder / "report", folder / "signing.key"
        self.bundle, self.trust = self.models / "grocery", folder / "signing.key.pub"
        self.catalogue, self.offers = self.raw / "catalogue.parquet", self.raw / "offers.parquet"
        self.purchases, self.subjects = self.release / "purchases.parquet", self.release / "subjects.parquet"
        self.state = f"sqlite:///{folder / 'state.db'}"
        self.orders, self.receipt, self.key_file = folder / "orders", folder / "receipt.json", folder / "key"

    def begin(self) -> None:
        """Make the folder anew; one that is not a demo's is left alone."""
        marker = self.folder / _MARKER
        if self.folder.exists() and any(self.folder.iterdir()):
            if not marker.exists():
                raise UsageError(
                    "holds something that no demo left there", where=str(self.folder), mend="Name an empty folder"
                )
            shutil.rmtree(self.folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        marker.touch()

    def title(self, text: str) -> None:
        """Start a chapter."""
        self.console.print()
        self.console.rule(f"[bold]{text}[/]", align="left")

    def console_script(self, name: str) -> list[str]:
        """A console script of the environment that the demo runs in."""
        return [str(Path(sys.executable).with_name(name))]

    def command(self, name: str, *arguments: object, stdin: str | None = None) -> None:
        """Show a command and run it; what it says is shown as it says it."""
        self._run([*self.console_script(name), *self._shown(name, arguments)], name, stdin)

    def key(self) -> str:
        """A new key for the service, with the scopes that the story needs; kept in a file, for curl."""
        words: list[object] = ["keys", "create", "--state", self.state]
        words += ["--scope", "decide,events,subject,explain", "--name", "demo"]
        command = [*self.console_script("recsys-serve"), *self._shown("recsys-serve", words)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603 - our own command
        self.key_file.touch(mode=0o600)
        self.key_file.write_text(done.stdout, encoding="utf-8")
        return done.stdout.strip()

    def _shown(self, name: str, arguments: Sequence[object]) -> list[str]:
        words = [str(argument) for argument in arguments]
        self.console.print(f"\n$ [bold]{name}[/] {' '.join(words)}", soft_wrap=True)
        return words

    def script(self, path: Path, *arguments: object) -> None:
        """Run a script of the example."""
        self._run([sys.executable, str(path), *map(str, arguments)], path.name)

    def token(self, card: str) -> str:
        """A loyalty card's token, from the custodian: the identifier goes by standard input."""
        done = subprocess.run(  # noqa: S603 - our own command
            [
                *self.console_script("recsys-pseudonymize"),
                *("token", "--vault", str(self.vault), "--fields", str(_FIELDS), "--field", "loyalty_card"),
            ],
            input=f"{card}\n",
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout.strip()

    def unknown_token(self) -> str:
        """The token of somebody who never was here."""
        return self.token(_UNKNOWN_CARD)

    def customer(self, card: str) -> dict[str, str]:
        """The raw record of a card."""
        with (self.raw / "customers.csv").open(encoding="utf-8", newline="") as file:
            return next(row for row in csv.DictReader(file) if row["loyalty_card"] == card)

    def subject(self, token: str) -> dict[str, Any]:
        """What passed the gate of a person."""
        return pl.read_parquet(self.subjects).row(by_predicate=pl.col("subject") == token, named=True)

    def first_purchase(self, token: str) -> dict[str, Any]:
        """What passed the gate of one receipt line."""
        return pl.scan_parquet(self.purchases).filter(pl.col("subject") == token).first().collect().row(0, named=True)

    def holding(self, marked: frozenset[str]) -> frozenset[str]:
        """The offers among `marked` that exist."""
        return marked & frozenset(pl.read_parquet(self.offers)["offer_id"])

    def show_record(self, text: str, record: Mapping[str, object]) -> None:
        """Show one record, a line a field."""
        self.console.print(f"\n{text}\n")
        for name, value in record.items():
            shown = ", ".join(map(str, value)) if isinstance(value, list) else "" if value is None else str(value)
            self.console.print(f"  {name:<18} {shown}", markup=False, soft_wrap=True)

    def show_decision(self, text: str, decision: Mapping[str, Any]) -> None:
        """Show a list with its reasons, and what the guards withheld."""
        table = Table(title=f"\n{text} fill = {decision['fill']}", title_justify="left", title_style="bold")
        for name in ("", "offer", "score", "because …"):
            table.add_column(name)
        for item in decision["items"]:
            why = [reason["text"].removeprefix("because ") for reason in item["reasons"] if reason["code"] != "other"]
            table.add_row(str(item["rank"]), self.name_of(item["offer_id"]), f"{item['score']:.3f}", "; ".join(why))
        if decision["items"]:
            self.console.print(table)
        else:
            self.console.print(f"\n[bold]{text}[/] fill = {decision['fill']}: no offer at all.")
        self.console.print(f"  Withheld, by rule: {decision['withheld']}", markup=False)

    def show_marked(self, text: str, decision: Mapping[str, Any], marked: frozenset[str], mark: str) -> None:
        """Show how many of some offers a long list holds."""
        listed = [item["offer_id"] for item in decision["items"]]
        count = len(marked.intersection(listed))
        self.console.print(
            f"  {text} {len(listed)} offers, [yellow]{count} of the {len(marked)} live ones with {mark} among them.[/]"
        )

    def show_why_not(self, explanation: Mapping[str, Any]) -> None:
        """Show why an offer is not in a list."""
        other = explanation["other"]
        why = "; ".join(rule["text"] for rule in other["withheld_by"])
        self.console.print(f"  Why not {self.name_of(other['offer_id'])}? [yellow]{why}.[/]")

    def show_document(self, document: Mapping[str, Any], text: str = "") -> None:
        """Show a document."""
        if text:
            self.console.print(f"\n[bold]{text}[/]\n")
        self.console.print_json(data=document)

    def show_held(self, text: str, export: Mapping[str, Any]) -> None:
        """Show how much an access export holds."""
        parts = ("purchases", "exposures", "events", "decisions", "changes")
        counts = ", ".join(f"{len(export.get(part, ())):,} {part}" for part in parts)
        self.console.print(f"\n[bold]{text}[/] held = {export['held']}; {counts}")

    def name_of(self, offer_id: str) -> str:
        """An offer's title."""
        return str(pl.read_parquet(self.offers).row(by_predicate=pl.col("offer_id") == offer_id, named=True)["title"])

    def read(self, path: Path) -> dict[str, Any]:
        """A JSON file."""
        return dict(json.loads(path.read_text(encoding="utf-8")))

    def show_refusal(self, text: str, answer: Mapping[str, Any], secret: str) -> None:
        """Show a problem document, and whether it repeats what was sent."""
        self.console.print(f"\n[bold]{text}[/]\n")
        self.console.print_json(data=answer)
        repeated = secret in json.dumps(answer)
        self.console.print(f"  Is the address repeated in the answer? {'YES' if repeated else 'No.'}")

    def _run(self, words: Sequence[str], name: str, stdin: str | None = None) -> None:
        status = subprocess.run(words, check=False, input=stdin, text=True).returncode  # noqa: S603 - our own commands
        if status:
            raise RecsysError(f"{name} ended with status {status}", mend="See what it said above")


class Server:
    """The real server on a free port, for as long as the block lasts."""

    def __init__(self, shop: Workshop, options: Sequence[object], key: str) -> None:
        self._words = [*shop.console_script("recsys-serve"), *map(str, options), "--port", "0"]
        self._console, self._key = shop.console, key

    def __enter__(self) -> Self:
        self._console.print("\n$ [bold]recsys-serve[/] " + " ".join(self._words[1:]), soft_wrap=True)
        quiet = {**os.environ, "RECSYS_SERVE_LOG_LEVEL": "warning"}
        self._process = subprocess.Popen(self._words, stdout=subprocess.PIPE, text=True, env=quiet)  # noqa: S603 - our own server
        self._url = self._process.stdout.readline().strip() if self._process.stdout else ""
        if not self._url:
            raise RecsysError("the server did not start", mend="See what it said above")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.terminate()
        self._process.wait(timeout=30)

    def decide(self, token: str, count: int = _SHOWN) -> dict[str, Any]:
        """Ask for offers by e-mail."""
        return self.post("/v1/decisions", {"subject": token, "channel": "email", "count": count})

    def refuse(self, subject: str) -> dict[str, Any]:
        """Send something that is no token."""
        return self.post("/v1/decisions", {"subject": subject, "channel": "email"})

    def explain(self, decision_id: str, offer_id: str) -> dict[str, Any]:
        """Ask why an offer is not in a list."""
        return self._asked(urllib.request.Request(f"{self._url}/v1/decisions/{decision_id}?offer={offer_id}"))  # noqa: S310 - http on this machine

    def post(self, path: str, body: object) -> dict[str, Any]:
        """Send a document; answers and refusals alike come back as documents."""
        request = urllib.request.Request(  # noqa: S310 - http on this machine
            f"{self._url}{path}", data=json.dumps(body).encode(), headers={"content-type": "application/json"}
        )
        return self._asked(request)

    def _asked(self, request: urllib.request.Request) -> dict[str, Any]:
        request.add_header("authorization", f"Bearer {self._key}")
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310 - as above
                return dict(json.load(answer))
        except urllib.error.HTTPError as refusal:
            return dict(json.load(refusal))
