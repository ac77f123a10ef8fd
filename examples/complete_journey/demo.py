"""The whole chain on the real receipts of 2,469 households, told as it happens: `make demo`."""

from __future__ import annotations

import os
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
    shop.begin()
    _strip_identity(shop)
    _train(shop)
    _judge(shop)
    cast = choose_cast(shop)
    _load(shop)
    with Server(shop, _serve_options(shop), shop.key()) as server:
        _answer(shop, server, cast)
        _listen(shop, server, cast)
        _forget(shop, server, cast)
    _verify(shop)
    console.rule()
    console.print(
        f"[bold]Done in {time.monotonic() - started:.0f} seconds.[/] The report: {work / 'report' / 'ranking.html'}"
    )
    console.print("To ask yourself: [bold]make serve-demo[/], then in another terminal:\n")
    console.print(_curl(shop, port), soft_wrap=True, markup=False)


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
        *("--purchases", shop.purchases, "--subjects", shop.subjects),
        *("--as-of", AS_OF, "--horizon", "28", "--out", shop.report),
    )


def _load(shop: Workshop) -> None:
    shop.title("5. Offers over HTTP")
    shop.command(
        *("recsys-serve", "load", "--state", shop.state, "--purchases", shop.purchases),
        *("--subjects", shop.subjects, "--catalogue", shop.catalogue, "--guards", POLICY),
    )


def _answer(shop: Workshop, server: Server, cast: Cast) -> None:
    beer = shop.holding(cast.beer_offers)
    shop.show_decision("A household that buys beer:", server.decide(shop.token(cast.beer_buyer)))
    shop.show_marked("All that it may be sent:", server.decide(shop.token(cast.beer_buyer), 100), beer, "beer")
    stranger = shop.token(cast.beer_stranger)
    decision = server.decide(stranger)
    shop.show_decision("A household that never bought any:", decision)
    shop.show_marked("All that it may be sent:", server.decide(stranger, 100), beer, "beer")
    shop.show_why_not(server.explain(decision["decision_id"], max(beer)))
    shop.show_decision("A person who wants e-mail, but no profile:", server.decide(shop.token(cast.unprofiled)))
    shop.show_decision("A person who wants no e-mail:", server.decide(shop.token(cast.unreachable)))
    unknown = server.decide(shop.unknown_token())
    shop.show_decision("A person nobody knows (missing consent means no):", unknown)
    email = shop.customer(cast.beer_buyer)["email"]
    shop.show_refusal("A request with an e-mail address where a token belongs:", server.refuse(email), email)


def _listen(shop: Workshop, server: Server, cast: Cast) -> None:
    shop.title("6. What people say counts at once")
    token = shop.token(cast.beer_buyer)
    first = server.decide(token)["items"][0]["offer_id"]
    console.print(f"\nThe household says no to its first offer, [bold]{shop.name_of(first)}[/]:")
    said = {"event_id": "app-1", "type": "dismissal", "subject": token, "at": NOW, "offer_id": first}
    shop.show_document(server.post("/v1/events", [said]))
    shop.show_decision("The very next list:", server.decide(token))


def _forget(shop: Workshop, server: Server, cast: Cast) -> None:
    shop.title("7. Forgetting a person")
    card = cast.beer_buyer
    token = shop.token(card)
    shop.show_held("What the service holds about that household:", server.post("/v1/subjects/access", _whose(token)))
    console.print("\nThe household asks to be forgotten. The custodian, who alone can tell its tokens, writes orders:")
    shop.command(
        *("recsys-pseudonymize", "forget", "--vault", shop.vault, "--fields", HERE / "fields.toml"),
        *("--field", "loyalty_card", "--out", shop.orders),
        stdin=f"{card}\n",
    )
    shop.command("recsys-serve", "forget", shop.orders / "serving.json", "--state", shop.state, "--out", shop.receipt)
    shop.show_document(shop.read(shop.receipt), "The receipt (it names nobody):")
    shop.show_held("What the running service holds now:", server.post("/v1/subjects/access", _whose(token)))
    late = {"event_id": "till-late", "type": "purchase", "subject": token, "at": NOW, "item": "1029743", "quantity": 1}
    shop.show_document(server.post("/v1/events", [late]), "A purchase that is reported late:")
    shop.show_decision("And the next request for offers:", server.decide(token))


def _verify(shop: Workshop) -> None:
    console.print("\nEvery decision was written down before it went out, and the log still proves itself:")
    shop.command("recsys-serve", "audit", "verify", "--state", shop.state)


def _whose(token: str) -> dict[str, str]:
    return {"subject": token}


def _serve(shop: Workshop, port: int) -> None:
    if not shop.release.exists():
        raise UsageError("there is nothing to serve yet", where=str(shop.folder), mend="Run `make demo` first")
    say("Serving. In another terminal:\n\n" + _curl(shop, port) + "\n")
    command = [*shop.console_script("recsys-serve"), *map(str, _serve_options(shop)), "--port", str(port)]
    os.execv(command[0], command)  # noqa: S606 - our own command takes this process's place, and its Ctrl-C


def _serve_options(shop: Workshop) -> list[object]:
    return [
        *("--bundle", shop.bundle, "--trust", shop.trust, "--guards", POLICY, "--catalogue", shop.catalogue),
        *("--offers", shop.offers, "--state", shop.state, "--now", NOW),
    ]


def _curl(shop: Workshop, port: int) -> str:
    """For the household that never bought beer: the other one is forgotten."""
    body = f'{{"subject": "{shop.token(choose_cast(shop).beer_stranger)}", "channel": "email", "count": 5}}'
    headers = f"-H 'content-type: application/json' -H \"authorization: Bearer $(cat {shop.key_file})\""
    return f"curl -s http://127.0.0.1:{port}/v1/decisions {headers} -d '{body}'"


if __name__ == "__main__":
    run(lambda: app, "demo.py")
