"""The token gateway: the tokens of `token`, for callers with a key, and nothing kept of what they sent."""

from __future__ import annotations

import asyncio
import datetime as dt
import io
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx
import polars as pl
import pytest
from openapi_spec_validator import validate
from support.search import contents, found
from support.server import problem

from pseudonymize.canonical import MAX_BYTES
from pseudonymize.fields_check import load_fields
from pseudonymize.forgetting import forget, lift
from pseudonymize.gateway.app import Gateway, create_app
from pseudonymize.gateway.callers import create_caller, read_callers, revoke_caller
from pseudonymize.gateway.deriving import Deriver, Made, Wanted
from pseudonymize.gateway.gathering import Gathering
from pseudonymize.gateway.logs import Sparing
from pseudonymize.rotation import rotate
from pseudonymize.standard_input import tokens_of
from pseudonymize.tokeniser import Tokeniser
from pseudonymize.vault import create_vault, open_vault
from recsys.contracts.token import Lineage
from recsys.errors import UsageError

NOW = dt.datetime(2018, 1, 1, 12, tzinfo=dt.UTC)
FIELD = "loyalty_card"
CANARY = "Canary-9840-0017"


class Asked:
    """A gateway on a vault of its own, asked without a network."""

    def __init__(self, folder: Path, fields_file: Path) -> None:
        create_vault(folder, kek_file=None, environ={}, now=NOW)
        self.vault = open_vault(folder, kek_file=None, environ={}, now=NOW)
        self.fields = load_fields(fields_file).fields
        self.key, self.caller = create_caller(self.vault, "till", "rec", [FIELD], 100_000)
        self.deriver = Deriver(open_vault(folder, kek_file=None, environ={}, now=NOW), self.fields, lambda: NOW)
        self.gateway = Gateway(self.deriver)
        self.app = create_app(self.gateway)
        self.form = self.fields[FIELD].form()
        self.heard = ""  # every answer, with its headers

    def send(self, method: str = "POST", path: str = "/v1/tokens", **more: Any) -> httpx.Response:  # noqa: ANN401 - as httpx takes it
        async def one() -> httpx.Response:
            transport = httpx.ASGITransport(self.app, raise_app_exceptions=False)
            async with httpx.AsyncClient(transport=transport, base_url="http://gateway") as http:
                return await http.request(method, path, **more)

        response = asyncio.run(one())
        self.heard += f"{response.headers} {response.text}\n"
        return response

    def ask(self, *values: object, key: str | None = None, **more: object) -> httpx.Response:
        headers = {"Authorization": f"Bearer {self.key if key is None else key}"}
        return self.send(headers=headers, json={"field": FIELD, "values": values, **more})

    def tokens(self, *values: object, **more: object) -> list[str | None]:
        response = self.ask(*values, **more)
        assert response.status_code == 200, response.text
        return list(response.json()["tokens"])

    def command(self, *values: str, lineage: Lineage | None = None) -> list[str]:
        """What `token` prints."""
        vault = open_vault(self.vault.path, kek_file=None, environ={}, now=NOW)
        epoch = vault.record.epoch(lineage) if lineage else vault.current("rec")
        lines = io.BytesIO("\n".join(values).encode())
        return tokens_of(lines, FIELD, Tokeniser(vault, self.fields, epoch, action="token"))


@pytest.fixture
def asked(tmp_path: Path, fields_file: Path) -> Asked:
    return Asked(tmp_path / "vault", fields_file)


def test_tokens_are_those_of_the_command_and_what_has_none_is_told_by_its_place(asked: Asked) -> None:
    good = ["9840000000000017", " LC-Nünning ", "lc-nünning"]
    response = asked.ask(good[0], " ", "x\0y", good[1], "x" * (MAX_BYTES + 1), good[2])
    made = asked.command(*good)
    assert response.json() == {
        "domain": "rec",
        "epoch": "01",
        "tokens": [made[0], None, None, made[1], None, made[2]],
        "refused": [
            {"index": 1, "reason": "empty"},
            {"index": 2, "reason": "unreadable"},
            {"index": 4, "reason": "unreadable"},
        ],
    }
    assert made[1] == made[2]
    assert response.headers["cache-control"] == "no-store"


def test_the_newest_epoch_unless_an_older_live_one_is_named(asked: Asked) -> None:
    old = asked.tokens("1")
    rotate(asked.vault, "rec")
    assert asked.tokens("1") == asked.command("1") != old
    assert asked.tokens("1", epoch="01") == old
    document = problem(asked.ask("1", epoch="77"), 422)
    assert document["detail"] == "$.epoch: is not live in this domain"
    problem(asked.ask("1", epoch=CANARY), 422)
    assert CANARY not in asked.heard


def test_who_was_forgotten_has_no_token_from_the_next_request_on(asked: Asked, tmp_path: Path) -> None:
    before = asked.tokens("ada", "bert")
    forget(asked.vault, FIELD, asked.form, pl.Series(["ada"]), tmp_path / "orders")
    response = asked.ask("ada", "bert", " ADA ").json()
    assert response["tokens"] == [None, before[1], None]
    assert response["refused"] == [{"index": 0, "reason": "forgotten"}, {"index": 2, "reason": "forgotten"}]
    lift(asked.vault, FIELD, asked.form, pl.Series(["ada"]))
    assert asked.tokens("ada", "bert") == before


def test_only_a_key_that_holds_may_ask_and_only_for_what_it_is_for(asked: Asked) -> None:
    key_id, secret = asked.key.split(".")[1:]
    other, _ = create_caller(asked.vault, "other", "ads", ["receipt"], 10)
    for key in ("", "rk1.x", f"rk1.{key_id}.{'a' * 43}", f"rk1.{'0' * 12}.{secret}", asked.key + "a"):
        response = asked.ask("1", key=key)
        problem(response, 401)
        assert response.headers["www-authenticate"] == 'Bearer realm="recsys-pseudonymize"'
    assert problem(asked.ask("1", key=other), 403)["detail"] == "The key may ask for: receipt"
    headers = {"Authorization": f"Bearer {other}"}
    partner = asked.send(headers=headers, json={"field": "receipt", "values": ["1"]}).json()
    assert partner["tokens"][0].startswith("s1.ads.01.")
    assert asked.tokens("1")
    revoke_caller(asked.vault, key_id)
    problem(asked.ask("1"), 401)
    with pytest.raises(UsageError, match="is no key that holds"):
        revoke_caller(asked.vault, key_id)


def test_a_key_is_a_hash_at_rest_and_its_making_is_logged(asked: Asked) -> None:
    secret = asked.key.split(".")[2]
    (stored,) = read_callers(asked.vault.path)
    assert stored == asked.caller
    assert found(contents(asked.vault.path), [secret]) == []
    assert (asked.vault.path / "callers.json").stat().st_mode & 0o777 == 0o600
    assert f'"caller": "{stored.key_id}"' in (asked.vault.path / "keylog.jsonl").read_text()
    assert asked.vault.verify().entries > 1


def test_a_caller_may_ask_for_so_many_values_a_minute(asked: Asked) -> None:
    slow, _ = create_caller(asked.vault, "slow", "rec", [FIELD], 5)
    assert asked.ask("1", "2", "3", key=slow).status_code == 200
    refused = asked.ask("4", "5", "6", key=slow)
    problem(refused, 429)
    assert 0 < int(refused.headers["retry-after"]) <= 120
    assert asked.ask("4", "5", key=slow).status_code == 200  # what was refused took nothing
    problem(asked.ask("6", key=slow), 429)
    problem(asked.ask(*map(str, range(6)), key=slow), 422)
    assert len(asked.tokens(*map(str, range(1000)))) == 1000  # another key's own


BAD: list[tuple[int, dict[str, Any]]] = [
    (422, {"content": f'{{"field": "{FIELD}", "values": ["{CANARY}"'}),
    (422, {"json": [CANARY]}),
    (422, {"json": {"field": FIELD, "values": CANARY}}),
    (422, {"json": {"field": FIELD, "values": [{"mail": CANARY}]}}),
    (422, {"json": {"field": FIELD, "values": []}}),
    (422, {"json": {"field": FIELD, "values": [CANARY] * 1001}}),
    (422, {"json": {"field": FIELD, "values": [CANARY], CANARY: 1}}),
    (422, {"content": b'{"field": "loyalty_card", "values": ["\xff"]}'}),
    (422, {"content": b'{"field": "loyalty_card", "values": ["\\ud800"]}'}),
    (422, {"content": b"[" * 100_000}),
    (403, {"json": {"field": CANARY, "values": ["1"]}}),
    (413, {"json": {"field": FIELD, "values": [CANARY * 100_000]}}),
    (415, {"content": CANARY, "headers": {"Content-Type": "text/plain"}}),
    (400, {"json": {"field": FIELD, "values": ["1"]}, "params": {"card": CANARY}}),
]


@pytest.mark.parametrize(("status", "more"), BAD)
def test_what_is_refused_is_a_problem_that_does_not_repeat_it(asked: Asked, status: int, more: dict[str, Any]) -> None:
    headers = {"Authorization": f"Bearer {asked.key}", "Content-Type": "application/json", **more.pop("headers", {})}
    problem(asked.send(headers=headers, **more), status)
    assert CANARY not in asked.heard
    assert asked.key not in asked.heard


def test_other_paths_and_methods_are_problems_too(asked: Asked) -> None:
    problem(asked.send("GET", f"/v1/tokens/{CANARY}"), 404)
    problem(asked.send("GET"), 405)
    assert CANARY not in asked.heard


def test_a_vault_that_cannot_be_used_is_an_answer_and_so_is_what_comes_after(asked: Asked) -> None:
    file = asked.vault.path / "vault.json"
    whole = file.read_bytes()
    file.write_bytes(b"{}")
    unavailable = asked.ask("1")
    assert problem(unavailable, 503)["type"] == "urn:recsys:problem:vault-unavailable"
    assert str(asked.vault.path) not in unavailable.text
    problem(asked.send("GET", "/health/ready"), 503)
    assert asked.send("GET", "/health/live").json() == {"status": "live"}
    file.write_bytes(whole)
    assert asked.tokens("1") == asked.command("1")
    assert asked.send("GET", "/health/ready").json() == {"status": "ready", "tokens": ["rec.01"]}


def test_nothing_that_was_sent_is_kept_said_or_counted_by_name(asked: Asked, monkeypatch: pytest.MonkeyPatch) -> None:
    said = io.StringIO()
    handler = logging.StreamHandler(said)
    handler.setFormatter(Sparing())
    root = logging.getLogger()
    monkeypatch.setattr(root, "handlers", [handler])
    monkeypatch.setattr(root, "level", logging.DEBUG)
    secrets = [CANARY, CANARY.lower(), asked.key, asked.key.split(".")[2]]
    (token,) = asked.tokens(CANARY)
    asked.ask(CANARY + "\0")
    asked.ask(CANARY, key="rk1.nobody")
    figures = asked.send("GET", "/metrics").text
    assert 'recsys_gateway_connection_refusals_total{status="408"} 0.0' in figures
    assert 'recsys_gateway_values_total{outcome="token"} 1.0' in figures
    assert 'recsys_gateway_requests_total{route="/v1/tokens",status="401"} 1.0' in figures
    logging.getLogger("uvicorn.error").error("request of %s failed", CANARY, exc_info=ValueError(CANARY))
    assert "ValueError" in said.getvalue()
    seen = asked.heard.replace(str(token), "").encode() + said.getvalue().encode() + contents(asked.vault.path)
    assert found(seen, [*secrets, str(token)]) == []
    (asked.vault.path / "core").write_text(CANARY)
    assert found(contents(asked.vault.path), secrets) == [CANARY]  # the control


def test_an_unexpected_error_is_an_answer_without_its_text(asked: Asked, monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(*_: object) -> Made:
        raise ValueError(CANARY)

    monkeypatch.setattr(asked.gateway, "_gathering", Gathering(failing))
    document = problem(asked.ask(CANARY), 500)
    assert CANARY not in str(document)


def test_requests_that_wait_together_get_each_its_own_answer() -> None:
    batches: list[int] = []

    def derive(wanted: Wanted, values: Sequence[str]) -> Made:
        batches.append(len(values))
        refused = {place: "empty" for place, value in enumerate(values) if not value}
        return Made(Lineage(wanted.domain, "01"), [f"{wanted.field} {value}" for value in values], refused)

    async def many() -> None:
        gathering = Gathering(derive)

        async def one(number: int) -> None:
            wanted = Wanted("rec", "", "a" if number % 3 else "b")
            values = [f"{number}-{place}" for place in range(number % 5)] + [""]
            made = await gathering.made(wanted, values)
            assert made.tokens == [f"{wanted.field} {value}" for value in values]
            assert made.refused == {len(values) - 1: "empty"}

        gone = asyncio.create_task(one(7))
        await asyncio.sleep(0)
        gone.cancel()
        await asyncio.gather(*(one(number) for number in range(60)))

    asyncio.run(many())
    assert len(batches) < 10


def test_an_error_reaches_everyone_who_waits() -> None:
    def derive(*_: object) -> Made:
        raise UsageError("no")

    async def many() -> list[object]:
        gathering = Gathering(derive)
        wanted = Wanted("rec", "", "a")
        return await asyncio.gather(*(gathering.made(wanted, ["1"]) for _ in range(5)), return_exceptions=True)

    assert [type(one) for one in asyncio.run(many())] == [UsageError] * 5


def test_two_gateways_on_one_vault_do_not_wake_each_other(asked: Asked, fields_file: Path) -> None:
    second = Deriver(
        open_vault(asked.vault.path, kek_file=None, environ={}, now=NOW), load_fields(fields_file).fields, lambda: NOW
    )
    wanted = Wanted("rec", "", FIELD)
    for _ in range(3):
        assert second.made(wanted, ["1"]).tokens == asked.deriver.made(wanted, ["1"]).tokens
    uses = (asked.vault.path / "keylog.jsonl").read_text().count('"action": "serve"')
    asked.tokens("1")
    assert (asked.vault.path / "keylog.jsonl").read_text().count('"action": "serve"') == uses


def test_the_document_is_valid_and_complete(asked: Asked) -> None:
    document = asked.send("GET", "/openapi.json").json()
    validate(document)
    routes = {route.path for route in asked.app.routes} - {"/openapi.json"}  # type: ignore[attr-defined]
    assert document["paths"].keys() == routes
    told = set(document["paths"]["/v1/tokens"]["post"]["responses"])
    assert told == {"200", "400", "401", "403", "413", "415", "422", "429", "500", "503"}
