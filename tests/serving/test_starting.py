"""Starting and stopping `recsys-serve`: what it checks before it listens, and how it ends."""

from __future__ import annotations

import contextlib
import datetime as dt
import shutil
import signal
import socket
from pathlib import Path

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from support.commands import assert_clear_failure, run
from support.server import Server
from support.shop import DRINKER, Shop
from typer.testing import CliRunner

from recsys.contracts.audit import AuditKind
from recsys.errors import RecsysError
from serving.cli import app
from serving.stores import open_store
from web.listening import bind

pytestmark = pytest.mark.slow  # processes


def replaced(options: list[object], **changes: object) -> list[object]:
    """The options with other values; None leaves one out."""
    result = list(options)
    for name, value in changes.items():
        place = result.index(f"--{name}")
        result[place : place + 2] = [] if value is None else [f"--{name}", value]
    return result


def refused(options: list[object], *parts: str, status: int = 1) -> str:
    """The command, called in this process, raises an error with these parts, and never listens."""
    with pytest.raises(RecsysError) as caught:
        CliRunner().invoke(app, [str(option) for option in options], catch_exceptions=False)
    assert caught.value.exit_status == status
    message = str(caught.value)
    for part in parts:
        assert part in message
    return message


def test_an_interrupt_ends_it_with_status_0(shop: Shop, state: str) -> None:
    with Server(*shop.serve_options(state), "--json") as server:
        assert msgspec.json.decode(server.first_line).keys() == {"url"}
        assert server.http.get("/health/live").status_code == 200
        assert server.stop(signal.SIGINT) == 0
    assert "Traceback" not in server.output
    assert server.output.count("\n") == 4  # the line of JSON, a withheld offer, the versions, the clock: nothing else


def test_a_clock_that_is_behind_the_state_is_refused(shop: Shop, state: str) -> None:
    """What was said would lie ahead, and withhold nothing until then."""
    with contextlib.closing(open_store(state)) as store:
        store.audit.append(AuditKind.RELOAD, {}, now=dt.datetime.now(dt.UTC) + dt.timedelta(hours=1))
    refused(replaced(shop.serve_options(state), now=None), "machine's clock", "behind the newest record")


def test_told_to_stop_it_finishes_what_is_under_way(shop: Shop, state: str) -> None:
    body = msgspec.json.encode({"subject": DRINKER, "channel": "email"})
    head = f"POST /v1/decisions HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: {len(body)}"
    with Server(*shop.serve_options(state)) as server:
        head += f"\r\nauthorization: Bearer {server.key}"
        address = (server.http.base_url.host, server.http.base_url.port)
        with socket.create_connection(address, timeout=20) as caller:
            caller.sendall(head.encode() + b"\r\n\r\n" + body[:10])
            assert server.ask(DRINKER)["items"]  # by now the half request has been read
            server.send(signal.SIGTERM)
            with pytest.raises(ConnectionError):
                while True:  # until it no longer listens
                    socket.create_connection(address, timeout=5).close()
            caller.sendall(body[10:])
            answer = caller.makefile("rb").read()
        assert server.stop() == 0
    assert answer.startswith(b"HTTP/1.1 200 OK")
    assert b'"fill":"personal"' in answer


def test_ready_says_what_decides_and_where_the_clock_began(server: Server) -> None:
    ready = server.http.get("/health/ready").json()
    assert ready["model_version"].startswith("small/20171127-")
    assert ready["policy_version"].startswith("small@")
    assert (ready["offers"], ready["tokens"], ready["status"]) == (13, ["rec.01"], "ready")
    assert ready["clock_started_at"] == "2017-11-27T09:00:00Z"
    began, now = (dt.datetime.fromisoformat(ready[name]) for name in ("clock_started_at", "now"))
    assert dt.timedelta(0) < now - began < dt.timedelta(hours=1)


def test_without_now_the_clock_is_the_machines_and_a_doubtful_policy_is_a_warning(
    shop: Shop, state: str, tmp_path: Path
) -> None:
    policy = tmp_path / "guards.toml"
    policy.write_text(shop.guards.read_text().replace('"BEERS/ALES"', '"BEERS/ALE"'))
    with Server(*replaced(shop.serve_options(state), now=None, guards=policy)) as server:
        ready = server.http.get("/health/ready").json()
        assert ready["clock_started_at"] is None
        assert ready["now"] > "2025"
        server.stop()
    output = server.output.replace(str(tmp_path), "")
    assert "clock" not in output
    place = "Warning: /guards.toml, line 10, column 15, groups.alcohol.categories[1]"
    assert f"{place}: no category 'BEERS/ALE' in the catalogue; the nearest is" in output


def test_a_port_that_is_in_use(server: Server, shop: Shop, state: str) -> None:
    port = server.http.base_url.port
    done = run("serving", *replaced(shop.serve_options(state), port=port))
    assert_clear_failure(done, f"port {port} is in use", "--port")
    assert done.stdout == ""


def test_an_address_of_another_machine() -> None:
    with pytest.raises(RecsysError, match="cannot be listened on"):
        bind("192.0.2.1", 0)


def test_answers_are_not_held_back() -> None:
    """Without this option, which connections inherit, each answer waits 40 ms for the caller's acknowledgement."""
    with bind("127.0.0.1", 0) as listening:
        assert listening.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_a_bundle_with_one_byte_changed(shop: Shop, state: str, tmp_path: Path) -> None:
    models = shutil.copytree(shop.folder / "models", tmp_path / "models")
    [model] = models.rglob("model.onnx")
    content = bytearray(model.read_bytes())
    content[len(content) // 2] ^= 1
    model.write_bytes(content)
    refused(replaced(shop.serve_options(state), bundle=models / "small"), "was changed after it was signed")


def test_a_bundle_signed_by_somebody_else(shop: Shop, state: str, tmp_path: Path) -> None:
    other = Ed25519PrivateKey.generate().public_key()
    (tmp_path / "other.pub").write_bytes(other.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    options = replaced(shop.serve_options(state), trust=tmp_path / "other.pub")
    refused(options, "the signature is not the trusted key's")


def test_a_policy_with_an_unknown_key(shop: Shop, state: str, tmp_path: Path) -> None:
    policy = tmp_path / "guards.toml"
    policy.write_text(shop.guards.read_text().replace("never =", "nevr ="))
    refused(replaced(shop.serve_options(state), guards=policy), "unknown key 'nevr'", "Did you mean 'never'?")


def test_a_state_that_was_never_loaded(shop: Shop, tmp_path: Path) -> None:
    options = shop.serve_options(f"sqlite:///{tmp_path / 'absent.db'}")
    refused(options, "there is no state here", "Load first: recsys-serve load")
    assert list(tmp_path.iterdir()) == []


def test_a_state_of_a_kind_that_is_not_there(shop: Shop) -> None:
    message = refused(shop.serve_options("mysql://shop:hunter2@db/state"), "sqlite:///PATH", status=2)
    assert "hunter2" not in message


@pytest.mark.parametrize("missing", ["bundle", "trust", "guards", "catalogue", "offers", "state"])
def test_an_option_that_is_missing(missing: str, shop: Shop) -> None:
    options = replaced(shop.serve_options("sqlite:///nowhere.db"), **{missing: None})
    refused(options, f"--{missing}: is missing", "recsys-serve --help", status=2)


@pytest.mark.parametrize("now", ["yesterday", "2017-11-28", "2017-11-27T09:30:00", "0001-01-01T00:00:00+11:00"])
def test_an_instant_that_is_none(now: str, shop: Shop) -> None:
    options = replaced(shop.serve_options("sqlite:///nowhere.db"), now=now)
    message = refused(options, "--now: is not an instant", "2017-11-27T09:00:00Z", status=2)
    assert now not in message
