"""HTTPS by flag: a certificate and its key; what is wrong with them is said before anything listens."""

from __future__ import annotations

import socket
import ssl
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
import trustme
from support.server import Server
from support.shop import DRINKER, Shop

from recsys.errors import RecsysError, UsageError
from web.tls import check_pair


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
        _a_container_knows_that_it_is_ready(server, pair[0])
        _refuses_old_versions(server)


def _a_container_knows_that_it_is_ready(server: Server, certificate: Path) -> None:
    settings, asks = certificate.with_name("serve.toml"), Path(__file__).parents[2] / "deploy" / "ready.py"
    for lines, status in ((f'tls_certificate = "{certificate}"\n', 0), ("", 1)):
        settings.write_text(f"port = {server.http.base_url.port}\n{lines}")
        assert subprocess.run([sys.executable, asks, settings], check=False).returncode == status  # noqa: S603 - ours


def _refuses_old_versions(server: Server) -> None:
    old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    old.check_hostname, old.verify_mode = False, ssl.CERT_NONE
    old.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        old.minimum_version = old.maximum_version = ssl.TLSVersion.TLSv1_1
    address = (server.http.base_url.host, server.http.base_url.port)
    with socket.create_connection(address, timeout=10) as plain, pytest.raises(ssl.SSLError):
        old.wrap_socket(plain)
