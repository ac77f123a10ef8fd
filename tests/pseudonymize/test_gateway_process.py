"""`recsys-pseudonymize serve` as it is run: a process, its client, what both leave behind."""

from __future__ import annotations

import json
import signal
import ssl
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
import trustme
from support.commands import assert_clear_failure, run
from support.search import contents, found
from support.server import Server

from pseudonymize.gateway.client import MAX_VALUES, ServiceError, TokenClient

pytestmark = pytest.mark.slow  # processes

CARDS = [f"Canary-{number:04}" for number in range(MAX_VALUES)]
FIELD = "loyalty_card"


@pytest.fixture
def named(tmp_path: Path, fields_file: Path) -> list[object]:
    vault = tmp_path / "vault"
    assert run("pseudonymize", "keys", "init", "--vault", vault).returncode == 0
    return ["--vault", vault, "--fields", fields_file]


def test_from_a_new_key_to_a_clean_end(named: list[object], tmp_path: Path) -> None:
    vault = named[:2]
    made = run("pseudonymize", "callers", "create", *named, "--field", FIELD, "--name", "till", "--json")
    assert made.returncode == 0, made.stderr
    caller = json.loads(made.stdout)
    printed = run("pseudonymize", "token", *named, "--field", FIELD, stdin="\n".join(CARDS)).stdout.split()
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    words = ("-m", "pseudonymize", "serve", *map(str, named))
    with Server("--port", 0, "--json", command=words, scopes=(), environment={"TMPDIR": str(temporary)}) as server:
        with TokenClient(server.url, caller["key"]) as client, ThreadPoolExecutor(max_workers=8) as pool:
            assert client.tokens(FIELD, CARDS).tokens == printed
            assert list(pool.map(lambda card: client.token(FIELD, card), CARDS[:200])) == printed[:200]
            orders = tmp_path / "orders"
            forgotten = run("pseudonymize", "forget", *named, "--field", FIELD, "--out", orders, stdin=CARDS[0])
            assert forgotten.returncode == 0, forgotten.stderr
            assert client.token(FIELD, CARDS[0]) is None
            with pytest.raises(ServiceError, match="expected `str`, got `int`"):
                client.tokens(FIELD, [1])  # type: ignore[list-item] # what a caller may send all the same
            assert run("pseudonymize", "callers", "revoke", caller["key_id"], *vault).returncode == 0
            with pytest.raises(ServiceError, match="refused with 401") as refused:
                client.token(FIELD, CARDS[1])
        assert server.stop(signal.SIGTERM) == 0
    secrets = [*CARDS[:50], "Canary", caller["key"].split(".")[2]]
    seen = (server.output + str(refused.value)).encode() + contents(vault_folder(vault)) + contents(temporary)
    assert found(seen, secrets) == []
    assert found(seen + CARDS[3].encode(), secrets) == ["Canary", CARDS[3]]  # the control
    listed = run("pseudonymize", "callers", "list", *vault, "--json")
    assert json.loads(listed.stdout)[0]["revoked"]
    assert run("pseudonymize", "keys", "verify", *vault).returncode == 0


def test_it_speaks_https_by_flag(named: list[object], tmp_path: Path) -> None:
    authority, trusting = trustme.CA(), ssl.create_default_context()
    authority.configure_trust(trusting)
    pair, certificate = authority.issue_cert("127.0.0.1"), tmp_path / "server.pem"
    pair.private_key_and_cert_chain_pem.write_to_path(str(certificate))
    words = ("-m", "pseudonymize", "serve", *map(str, named))
    alone = run("pseudonymize", "serve", *named, "--tls-certificate", certificate)
    assert_clear_failure(alone, "--tls-key: is missing", status=2)
    encrypted = ("--tls-certificate", certificate, "--tls-key", certificate)
    with Server("--port", 0, "--json", *encrypted, command=words, scopes=()) as server:
        assert server.url.startswith("https://127.0.0.1:")
        answer = httpx.post(f"{server.url}/v1/tokens", verify=trusting, json={"field": FIELD, "values": CARDS[:1]})
        assert answer.status_code == httpx.codes.UNAUTHORIZED
        assert answer.headers["strict-transport-security"] == "max-age=31536000"
        with pytest.raises(httpx.TransportError):
            httpx.post(server.url.replace("https", "http"))


@pytest.mark.parametrize("values", ["9840", [], ["9840"] * (MAX_VALUES + 1)], ids=["a text", "none", "too many"])
def test_the_client_sends_nothing_that_is_no_list(values: Sequence[str]) -> None:
    with TokenClient("http://127.0.0.1:9", "rk1.x.y") as client, pytest.raises(ValueError, match="a list of 1 to"):
        client.tokens(FIELD, values)


def vault_folder(words: list[object]) -> Path:
    return Path(str(words[1]))


def test_wrong_calls_are_one_message(named: list[object]) -> None:
    create = ("callers", "create", *named)
    assert_clear_failure(run("pseudonymize", *create, "--field", "mail"), "is no field of this policy", status=2)
    assert_clear_failure(
        run("pseudonymize", *create, "--field", FIELD, "--name", "till 1"), "--name: has an unfit value", status=2
    )
    domains = (vault_folder(named) / "vault.json").read_bytes()
    assert_clear_failure(
        run("pseudonymize", *create, "--field", FIELD, "--domain", "recc"), "--domain: is in use by nobody", status=2
    )
    assert (vault_folder(named) / "vault.json").read_bytes() == domains
    made = run("pseudonymize", *create, "--field", FIELD, "--domain", "agency", "--new-domain")
    assert (made.returncode, "NO GATE FOR PARTNERS" in made.stderr) == (0, True)
    assert_clear_failure(
        run("pseudonymize", "callers", "revoke", "nobody", *named[:2]), "KEY_ID: is no key that holds", status=2
    )


def test_the_client_carries_nothing_of_the_custodians() -> None:
    script = "import sys, pseudonymize.gateway.client; print(' '.join(sys.modules))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)  # noqa: S603 - our own
    assert not set(done.stdout.split()) & {"cryptography", "pseudonymize.vault", "pseudonymize.keys", "starlette"}
