"""deploy/nginx.conf: callers reach what is theirs, over HTTPS, and nothing else."""

from __future__ import annotations

import contextlib
import re
import shutil
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path

import httpx
import msgspec
import pytest
import trustme
from support.server import Server, problem
from support.shop import DRINKER

from serving.settings import read_settings
from web.problems import RATE_LIMITED, Problem

DEPLOY = Path(__file__).parents[2] / "deploy"
YEAR = "max-age=31536000"
CONF = (DEPLOY / "nginx.conf").read_text()
# A test's name says whether nginx itself looked at the file: it is not everywhere.
READERS = ["words", *([pytest.param("nginx", marks=pytest.mark.slow)] if shutil.which("nginx") else [])]


@pytest.mark.parametrize("reader", READERS)
def test_the_file_is_whole_and_asks_the_service_where_its_settings_put_it(
    reader: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    settings = read_settings({}, DEPLOY / "serve.toml")
    assert re.findall(r"proxy_pass (.*);", CONF) == [f"http://{settings.host}:{settings.port}"]
    assert CONF.count("{") == CONF.count("}")
    assert set(re.findall(r"limit_req zone=(\w+)", CONF)) == set(re.findall(r"limit_req_zone \S+ zone=(\w+):", CONF))
    assert re.findall(r"listen (.*);", CONF) == ["443 ssl"]
    said = msgspec.json.decode(re.findall(r"return 429 '(.*)';", CONF)[0], type=Problem)
    assert (said, said.detail) == (RATE_LIMITED.problem(said.detail), "So does its address; ask again later")
    assert CONF.count(f'add_header Strict-Transport-Security "{YEAR}" always;') == 1 + CONF.count(
        "add_header Retry-After"
    )
    if reader == "nginx":
        _placed(tmp_path, trustme.CA(), 443, "http://127.0.0.1:8080")
        done = subprocess.run(["nginx", "-t", *_options(tmp_path)], capture_output=True, text=True, check=False)  # noqa: S603, S607 - nginx, from the path
        assert done.returncode == 0, done.stderr
        _callers_come_through_and_figures_stay_inside(request.getfixturevalue("server"), tmp_path)


def _callers_come_through_and_figures_stay_inside(server: Server, tmp_path: Path) -> None:
    authority = trustme.CA()
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)
    headers = {"authorization": f"Bearer {server.key}"}
    with (
        _running(tmp_path, authority, server.url) as url,
        httpx.Client(base_url=url, verify=trusting, headers=headers, timeout=30) as client,
    ):
        answer = client.post("/v1/decisions", json={"subject": DRINKER, "channel": "email"})
        assert answer.json()["fill"] == "personal"
        assert [client.get(path).status_code for path in ("/metrics", "/health/ready", "/v1/models")] == [404, 404, 200]
        assert client.post("/v1/events", content=b" " * (2**20 + 1)).status_code == 413
        many = [*(client.get("/v1/models") for _ in range(100)), client.get("/metrics")]
    assert {one.headers.get_list("strict-transport-security") == [YEAR] for one in many} == {True}
    assert {one.status_code for one in many} == {200, 429, 404}
    for one in many:
        if one.status_code == HTTPStatus.TOO_MANY_REQUESTS:
            assert one.headers["retry-after"] == "1"
            assert problem(one, 429)["type"] == "urn:recsys:problem:rate-limit"


@contextlib.contextmanager
def _running(folder: Path, authority: trustme.CA, upstream: str) -> Iterator[str]:
    """The proxy in the foreground, on a free port."""
    with socket.create_server(("127.0.0.1", 0)) as one:
        port = one.getsockname()[1]
    _placed(folder, authority, port, upstream)
    process = subprocess.Popen(["nginx", *_options(folder)], stderr=subprocess.DEVNULL)  # noqa: S603, S607 - as above
    try:
        for _ in range(100):
            with contextlib.suppress(ConnectionError), socket.create_connection(("127.0.0.1", port)):
                break
            time.sleep(0.1)
        yield f"https://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()


def _placed(folder: Path, authority: trustme.CA, port: int, upstream: str) -> None:
    """The file as it stands, but for the addresses and the certificate, and what takes many callers to exceed."""
    made = authority.issue_cert("127.0.0.1")
    made.cert_chain_pems[0].write_to_path(str(folder / "offers.example.pem"))
    made.private_key_pem.write_to_path(str(folder / "offers.example.key"))
    text = CONF.replace("/etc/nginx/", f"{folder}/").replace("listen 443", f"listen 127.0.0.1:{port}")
    text = text.replace("rate=100r/s", "rate=1r/s")
    (folder / "recsys.conf").write_text(text.replace("http://127.0.0.1:8080", upstream))
    kept = "".join(
        f"{kind}_temp_path {folder}/{kind}; " for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    around = f"daemon off; pid {folder}/pid; events {{}} http {{ {kept}include {folder}/recsys.conf; }}"
    (folder / "nginx.conf").write_text(around)


def _options(folder: Path) -> list[str]:
    return ["-p", str(folder), "-c", str(folder / "nginx.conf"), "-e", str(folder / "error.log")]
