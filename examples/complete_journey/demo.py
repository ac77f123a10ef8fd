"""The whole chain on the real receipts of 2,469 households, told as it happens: `make demo`."""

from __future__ import annotations

import os
import shutil
import sys
import time
from pathlib import Path
from typing import Annotated

import typer
from cast import Cast, choose_cast
from rich.console import Console
from stage import Server, Workshop

from recsys.console import new_app, run, say
from recsys.errors import UsageError

HERE = Path(os.path.relpath(Path(__file__).parent))  # as a person would type it
POLICY = Path(os.path.relpath(HERE.parent / "policies" / "grocery.toml"))
AS_OF = "2017-11-27"
NOW = f"{AS_OF}T09:00:00Z"

console = Console(highlight=False, width=min(Console().width, 140) if sys.stdout.isatty() else 120)
app = new_app("Tell the story of the whole chain, or serve what it made.")


@app.command()
def demo(
    work: Annotated[Path, typer.Option(help="The folder to work in; what an earlier demo left there is replaced.")],
    serve: Annotated[bool, typer.Option("--serve", help="Serve what the demo made, until interrupted.")] = False,  # noqa: FBT002 - a flag
    port: Annotated[int, typer.Option(help="With --serve.")] = 8080,
) -> None:
    """Run the chain from raw records to guarded offers.

    Example: python examples/complete_journey/demo.py --work build/demo
    """
    shop = Workshop(work, console)
    if serve:
        _serve(shop, port)
        return
    started = time.monotonic()
    if work.exists():
        shutil.rmtree(work)
    work.mkdir(parents=True)
    _strip_identity(shop)
    _train(shop)
    _judge(shop)
    _answer(shop)
    console.rule()
    console.print(
        f"[bold]Done in {time.monotonic() - started:.0f} seconds.[/] The report: {work / 'report' / 'ranking.html'}"
    )
    console.print("To ask yourself: [bold]make serve-demo[/], then in another terminal:\n")
    console.print(_curl(shop.token(choose_cast(shop).beer_buyer), port), soft_wrap=True, markup=False)


def _strip_identity(shop: Workshop) -> None:
    shop.title("1. What the retailer has")
    shop.script(HERE / "prepare.py", "--out", shop.raw)
    card = choose_cast(shop).beer_buyer
    shop.show_record(
        "One customer, as the till knows them (the person is invented, the purchases are real):", shop.customer(card)
    )
    shop.title("2. Identity ends at the door")
    shop.command("recsys-pseudonymize", "keys", "init", "--vault", shop.vault)
    shop.command(
        *("recsys-pseudonymize", "run", "--fields", HERE / "fields.toml", "--vault", shop.vault),
        *("--guards", POLICY, "--catalogue", shop.catalogue, "--out", shop.release),
        *(shop.raw / name for name in ("customers.csv", "receipts.parquet", "redemptions.csv")),
    )
    token = shop.token(card)
    shop.show_record("What is left of that customer, for every stage from here on:", shop.subject(token))
    shop.show_record("… and of one line of a receipt:", shop.first_purchase(token))


def _train(shop: Workshop) -> None:
    shop.title("3. A model with no row about anyone")
    shop.command("recsys-train", "keys", "init", "--signing-key", shop.signing_key)
    shop.command(
        *("recsys-train", "fit", "--purchases", shop.purchases, "--subjects", shop.subjects),
        *("--catalogue", shop.catalogue, "--guards", POLICY, "--until", AS_OF, "--level", "type"),
        *("--models", shop.models, "--name", "grocery", "--signing-key", shop.signing_key),
    )


def _judge(shop: Workshop) -> None:
    shop.title("4. Judged on the four weeks that it has not seen")
    shop.command(
        *("recsys-evaluate", "ranking", "--bundle", shop.bundle, "--trust", shop.trust),
        *("--purchases", shop.purchases, "--as-of", AS_OF, "--horizon", "28", "--out", shop.report),
    )


def _answer(shop: Workshop) -> None:
    shop.title("5. Offers over HTTP")
    shop.command(
        *("recsys-serve", "load", "--state", shop.state, "--purchases", shop.purchases),
        *("--subjects", shop.subjects, "--catalogue", shop.catalogue, "--guards", POLICY),
    )
    with Server(shop, _serve_options(shop)) as server:
        _ask(shop, server, choose_cast(shop))


def _ask(shop: Workshop, server: Server, cast: Cast) -> None:
    beer = "has beer on it"
    answer = server.decide(shop.token(cast.beer_buyer))
    shop.show_decision("A household that buys beer:", answer, shop.holding(cast.beer_offers), beer)
    answer = server.decide(shop.token(cast.beer_stranger))
    shop.show_decision("A household that never bought any:", answer, shop.holding(cast.beer_offers), beer)
    shop.show_decision("A person nobody knows (missing consent means no):", server.decide(shop.unknown_token()))
    answer = server.decide(shop.token(cast.unprofiled))
    shop.show_decision("A person who wants e-mail, but no profile:", answer)
    answer = server.decide(shop.token(cast.unreachable))
    shop.show_decision("A person who wants no e-mail:", answer)
    email = shop.customer(cast.beer_buyer)["email"]
    shop.show_refusal("A request with an e-mail address where a token belongs:", server.post(email), email)


def _serve(shop: Workshop, port: int) -> None:
    if not shop.release.exists():
        raise UsageError("there is nothing to serve yet", where=str(shop.folder), mend="Run `make demo` first")
    say("Serving. In another terminal:\n\n" + _curl(shop.token(choose_cast(shop).beer_buyer), port) + "\n")
    command = [*shop.console_script("recsys-serve"), *map(str, _serve_options(shop)), "--port", str(port)]
    os.execv(command[0], command)  # noqa: S606 - our own command takes this process's place, and its Ctrl-C


def _serve_options(shop: Workshop) -> list[object]:
    return [
        *("--bundle", shop.bundle, "--trust", shop.trust, "--guards", POLICY, "--catalogue", shop.catalogue),
        *("--offers", shop.offers, "--state", shop.state, "--now", NOW, "--explain"),
    ]


def _curl(token: str, port: int) -> str:
    body = f'{{"subject": "{token}", "channel": "email", "count": 5}}'
    return f"curl -s http://127.0.0.1:{port}/v1/decisions -H 'content-type: application/json' -d '{body}'"


if __name__ == "__main__":
    run(lambda: app, "demo.py")
