"""An identifier sent by mistake, anywhere: it is nowhere afterwards. The controls show that it would be found."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from support.search import contents, found
from support.server import Server
from support.shop import DRINKER, MILK, NOW, Shop

LEAK = "anna.berg@example.org"
HEADERS = {"content-type": "application/json"}
ASKED = {"subject": DRINKER, "channel": "email", "placement": "top", "count": 1, "exclude": ["offer-1"]}
BOUGHT = {
    "event_id": "e-1",
    "type": "purchase",
    "subject": DRINKER,
    "at": NOW,
    "item": MILK,
    "offer_id": "offer-1",
    "decision_id": "d-1",
    "channel": "email",
    "quantity": 1,
    "value": 2.5,
    "basket": DRINKER,
}


def requests() -> Iterator[tuple[str, str, dict[str, object]]]:
    """Method, path and the rest of a request that holds the identifier in one place."""
    for path, whole in (("/v1/decisions", ASKED), ("/v1/events", BOUGHT)):
        for field in whole:
            for value in (LEAK, [LEAK], {LEAK: LEAK}):
                body = {**whole, field: value}
                yield "POST", path, {"json": body}
                yield "POST", path, {"json": [whole, body]}
        yield "POST", path, {"json": {**whole, LEAK: 1}}
        yield "POST", path, {"json": [{**whole, "e-mail": LEAK}]}
        yield "POST", path, {"json": LEAK}
        yield "POST", path, {"json": [LEAK, [LEAK], {LEAK: LEAK}]}
        yield "POST", path, {"content": f'{{"subject": {LEAK}', "headers": HEADERS}
        yield "POST", path, {"content": LEAK.encode() + b"\xff", "headers": HEADERS}
        yield "POST", path, {"content": LEAK, "headers": {"content-type": LEAK}}
        yield "POST", path, {"json": whole, "params": {"subject": LEAK}, "headers": {"x-customer": LEAK}}
        yield "GET", f"{path}/{LEAK}", {}
        yield "GET", f"{path}?subject={LEAK}", {}
    yield "GET", f"/{LEAK}", {}
    yield "GET", "/health/ready", {"headers": {"user-agent": LEAK}, "params": {LEAK: LEAK}}


@pytest.fixture(scope="module")
def traces(
    shop: Shop, loaded: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[list[httpx.Response], str, Path]:
    """All responses, all that the server printed, and the folder with its database as it lay there while it ran."""
    folder = tmp_path_factory.mktemp("privacy")
    (folder / "state.db").write_bytes(loaded.read_bytes())
    with Server(*shop.serve_options(f"sqlite:///{folder / 'state.db'}")) as server:
        responses = [server.http.request(method, path, **more) for method, path, more in requests()]
        server.tell({**BOUGHT, "event_id": "control-event"})
        (folder / "seen").mkdir()
        for file in folder.glob("state.db*"):
            (folder / "seen" / file.name).write_bytes(file.read_bytes())
        server.stop()
    return responses, server.output, folder


def test_no_response_repeats_it(traces: tuple[list[httpx.Response], str, Path]) -> None:
    responses = traces[0]
    assert len(responses) > 100
    for response in responses:
        assert LEAK not in f"{response.headers}{response.text}", response.request.url
        assert response.status_code in {200, 404, 405, 415, 422}


def test_what_stands_in_a_field_of_the_contract_is_refused(traces: tuple[list[httpx.Response], str, Path]) -> None:
    """Taken are the untouched events beside a broken one, and requests that had it in a place that is not read."""
    for response in traces[0]:
        if response.status_code == httpx.codes.OK and response.request.method == "POST":
            document = response.json()
            untouched = response.request.url.query or document["rejected"]
            assert untouched, response.request.content


def test_the_server_prints_it_nowhere(traces: tuple[list[httpx.Response], str, Path]) -> None:
    output = traces[1]
    assert "Model small/" in output  # the control: this is what it printed
    assert LEAK not in output
    assert DRINKER not in output


def test_no_file_of_the_store_holds_it(traces: tuple[list[httpx.Response], str, Path]) -> None:
    folder = traces[2]
    assert {file.name for file in (folder / "seen").iterdir()} == {"state.db", "state.db-wal", "state.db-shm"}
    whole = contents(folder)
    assert found(whole, [LEAK, "anna.berg", DRINKER, "control-event"]) == ["control-event", DRINKER]
    (folder / "seen" / "state.db-wal").write_bytes(LEAK.encode())
    assert found(contents(folder), [LEAK]) == [LEAK]
