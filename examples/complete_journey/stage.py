"""The demo's hands: where its files lie, running the real commands, and showing what came of them."""

from __future__ import annotations

import csv
import json
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

from recsys.errors import RecsysError

_FIELDS = Path(__file__).parent / "fields.toml"
_UNKNOWN_CARD = "9840000000000000"  # no check digit fits: nobody holds it
_SHOWN = 5


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

    def title(self, text: str) -> None:
        """Start a chapter."""
        self.console.print()
        self.console.rule(f"[bold]{text}[/]", align="left")

    def console_script(self, name: str) -> list[str]:
        """A console script of the environment that the demo runs in."""
        return [str(Path(sys.executable).with_name(name))]

    def command(self, name: str, *arguments: object) -> None:
        """Show a command and run it; what it says is shown as it says it."""
        words = [str(argument) for argument in arguments]
        self.console.print(f"\n$ [bold]{name}[/] {' '.join(words)}", soft_wrap=True)
        self._run([*self.console_script(name), *words], name)

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

    def show_decision(
        self, text: str, decision: Mapping[str, Any], marked: frozenset[str] = frozenset(), mark: str = ""
    ) -> None:
        """Show a list with its reasons, and what the guards withheld."""
        table = Table(title=f"\n{text} fill = {decision['fill']}", title_justify="left", title_style="bold")
        for name in ("", "offer", "score", "because …"):
            table.add_column(name)
        titles = dict(pl.read_parquet(self.offers).select("offer_id", "title").iter_rows())
        shown = [item for item in decision["items"] if item["rank"] <= _SHOWN or item["offer_id"] in marked]
        for item in shown:
            why = [reason["text"].removeprefix("because ") for reason in item["reasons"] if reason["code"] != "other"]
            note = f" [yellow]({mark})[/]" if item["offer_id"] in marked else ""
            table.add_row(str(item["rank"]), titles[item["offer_id"]] + note, f"{item['score']:.3f}", "; ".join(why))
        if shown:
            self.console.print(table)
        else:
            self.console.print(f"\n[bold]{text}[/] fill = {decision['fill']}: no offer at all.")
        if marked and not any(item["offer_id"] in marked for item in shown):
            self.console.print(f"  [yellow]None of the {len(marked)} live offers with beer is on the list.[/]")
        self.console.print(f"  Withheld, by rule: {decision['withheld']}", markup=False)

    def show_refusal(self, text: str, answer: Mapping[str, Any], secret: str) -> None:
        """Show a problem document, and whether it repeats what was sent."""
        self.console.print(f"\n[bold]{text}[/]\n")
        self.console.print_json(data=answer)
        repeated = secret in json.dumps(answer)
        self.console.print(f"  Is the address repeated in the answer? {'YES' if repeated else 'No.'}")

    def _run(self, words: Sequence[str], name: str) -> None:
        status = subprocess.run(words, check=False).returncode  # noqa: S603 - our own commands
        if status:
            raise RecsysError(f"{name} ended with status {status}", mend="See what it said above")


class Server:
    """The real server on a free port, for as long as the block lasts."""

    def __init__(self, shop: Workshop, options: Sequence[object]) -> None:
        self._words = [*shop.console_script("recsys-serve"), *map(str, options), "--port", "0"]
        self._console = shop.console

    def __enter__(self) -> Self:
        self._console.print("\n$ [bold]recsys-serve[/] " + " ".join(self._words[1:]), soft_wrap=True)
        self._process = subprocess.Popen(self._words, stdout=subprocess.PIPE, text=True)  # noqa: S603 - our own server
        self._url = self._process.stdout.readline().strip() if self._process.stdout else ""
        if not self._url:
            raise RecsysError("the server did not start", mend="See what it said above")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.terminate()
        self._process.wait(timeout=30)

    def decide(self, token: str) -> dict[str, Any]:
        """Ask for offers by e-mail."""
        return self.post(token)

    def post(self, subject: str) -> dict[str, Any]:
        """Send whatever stands in the subject's place; answers and refusals alike come back as documents."""
        body = json.dumps({"subject": subject, "channel": "email", "count": 100}).encode()
        request = urllib.request.Request(  # noqa: S310 - http on this machine
            f"{self._url}/v1/decisions", data=body, headers={"content-type": "application/json"}
        )
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310 - as above
                return dict(json.load(answer))
        except urllib.error.HTTPError as refusal:
            return dict(json.load(refusal))
