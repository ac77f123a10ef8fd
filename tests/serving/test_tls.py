"""HTTPS by flag: a certificate and its key; what is wrong with them is said before anything listens."""

from __future__ import annotations

import contextlib
import socket
import ssl
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
import trustme
from support.server import Server
from support.shop import DRINKER, Shop

from recsys.errors import RecsysError, UsageError
from web.tls import check_pair

WITHOUT_UVLOOP = """
import runpy, sys
sys.modules["uvloop"] = None
runpy.run_module("serving", run_name="__main__")
"""


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def pair(authority: trustme.CA, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1, and its key."""
    folder, made = tmp_path_factory.mktemp("tls"), authority.issue_cert("127.0.0.1")
    made.cert_chain_pems[0].write_to_path(str(folder / "server.pem"))
    made.private_key_pem.write_to_path(str(folder / "server.key"))
    return folder / "server.pem", folder / "server.key"


def test_a_pair_has_to_belong_together(authority: trustme.CA, pair: tuple[Path, Path], tmp_path: Path) -> None:
    certificate, key = pair
    check_pair(None, None)
    check_pair(certificate, key)
    with pytest.raises(UsageError, match="--tls-key: is missing"):
        check_pair(certificate, None)
    with pytest.raises(UsageError, match="--tls-certificate: is missing"):
        check_pair(None, key)
    authority.issue_cert("127.0.0.1").private_key_pem.write_to_path(str(tmp_path / "other.key"))
    for wrong in (tmp_path / "other.key", certificate):
        with pytest.raises(RecsysError, match="cannot be used with its key"):
            check_pair(certificate, wrong)
    with pytest.raises(RecsysError, match="is no file"):
        check_pair(certificate, tmp_path / "absent")


@pytest.mark.slow
def test_it_serves_https_and_nothing_else(
    shop: Shop, state: str, authority: trustme.CA, pair: tuple[Path, Path]
) -> None:
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)
    options = ("--tls-certificate", pair[0], "--tls-key", pair[1])
    with Server(*shop.serve_options(state), *options) as server:
        assert server.url.startswith("https://127.0.0.1:")
        headers = {"authorization": f"Bearer {server.key}"}
        with httpx.Client(base_url=server.url, verify=trusting, headers=headers, timeout=30) as client:
            answer = client.post("/v1/decisions", json={"subject": DRINKER, "channel": "email"})
            assert answer.json()["fill"] == "personal"
            assert answer.headers["strict-transport-security"] == "max-age=31536000"
        with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
            httpx.get(f"{server.url}/health/live")
        with pytest.raises(httpx.TransportError):
            httpx.get(server.url.replace("https", "http") + "/health/live")
        _a_container_knows_that_it_lives(server, pair[0])
        _refuses_old_versions(server)


def _a_container_knows_that_it_lives(server: Server, certificate: Path) -> None:
    settings, asks = certificate.with_name("serve.toml"), Path(__file__).parents[2] / "deploy" / "live.py"
    for lines, status in ((f'tls_certificate = "{certificate}"\n', 0), ("", 1)):
        settings.write_text(f"port = {server.http.base_url.port}\n{lines}")
        assert subprocess.run([sys.executable, asks, settings], check=False).returncode == status  # noqa: S603 - ours


@pytest.mark.slow
@pytest.mark.parametrize("loop", ["uvloop", "asyncio"])
def test_handshakes_that_never_come_are_counted_and_given_up(
    loop: str, shop: Shop, state: str, authority: trustme.CA, pair: tuple[Path, Path]
) -> None:
    """As many as there may be connections, each for as long as a request has; whoever is there already is answered."""
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)
    options = ("--tls-certificate", pair[0], "--tls-key", pair[1])
    environment = {"RECSYS_SERVE_REQUEST_SECONDS": "2", "RECSYS_SERVE_MAX_CONNECTIONS": "20"}
    command = ("-m", "serving") if loop == "uvloop" else ("-c", WITHOUT_UVLOOP)
    with (
        Server(*shop.serve_options(state), *options, environment=environment, command=command) as server,
        httpx.Client(base_url=server.url, verify=trusting, timeout=30) as client,
        contextlib.ExitStack() as open_ones,
    ):
        address = (client.base_url.host, client.base_url.port)
        assert client.get("/health/live").status_code == 200
        began = time.monotonic()
        idle = [open_ones.enter_context(socket.create_connection(address, timeout=10)) for _ in range(50)]
        assert client.get("/health/live").status_code == 200
        closed = [seconds_until_closed(one, began) for one in reversed(idle)]
        assert sum(seconds < 1.5 for seconds in closed) == 30
        assert all(1.5 < seconds < 6 for seconds in closed if seconds >= 1.5)
        assert httpx.get(f"{server.url}/health/live", verify=trusting).status_code == 200
        figures = client.get("/metrics").text
        assert 'recsys_connection_refusals_total{status="503"} 30.0' in figures
        assert 'recsys_connection_refusals_total{status="408"} 20.0' in figures
        assert many_at_once(server, trusting) == [200] * 20
        client.close()
        assert server.stop() == 0
    assert '"level"' not in server.output  # nothing is logged


def seconds_until_closed(connection: socket.socket, began: float) -> float:
    with contextlib.suppress(ConnectionResetError):
        assert connection.recv(1) == b""
    return time.monotonic() - began


def many_at_once(server: Server, trusting: ssl.SSLContext) -> list[int]:
    """New connections, on each of which the request comes with the end of the handshake."""

    def ask(_: int) -> int:
        with (
            socket.create_connection((server.http.base_url.host, server.http.base_url.port), timeout=30) as plain,
            trusting.wrap_socket(plain, server_hostname="127.0.0.1") as connection,
        ):
            connection.sendall(b"GET /health/live HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
            return int(connection.recv(1 << 16).split()[1])

    with ThreadPoolExecutor(8) as pool:
        return list(pool.map(ask, range(20)))


def _refuses_old_versions(server: Server) -> None:
    old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    old.check_hostname, old.verify_mode = False, ssl.CERT_NONE
    old.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        old.minimum_version = old.maximum_version = ssl.TLSVersion.TLSv1_1
    address = (server.http.base_url.host, server.http.base_url.port)
    with socket.create_connection(address, timeout=10) as plain, pytest.raises(ssl.SSLError):
        old.wrap_socket(plain)
