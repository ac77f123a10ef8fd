"""Schemathesis over the whole OpenAPI document, a bounded part of it; `make soak` goes on for longer."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.fuzz import explore, fuzz
from support.server import Server
from support.shop import Shop
from support.tokens import token

pytestmark = pytest.mark.slow


def test_no_request_is_answered_otherwise_than_documented(shop: Shop, state: str, tmp_path: Path) -> None:
    with Server(*shop.serve_options(state)) as server:
        runs = fuzz(server, tmp_path, examples=8, seed=8)
        answers = [server.http.post("/v1/subjects/access", json={"subject": token(number)}) for number in range(40)]
        server.stop()
    for run in runs:
        assert run.status == 0, f"{run.name}\n{run.output}"
        assert run.cases > 150, run.output
    assert any(answer.json()["reservations"] for answer in answers)
    assert "Traceback" not in server.output
    assert '"status":500' not in server.output


def test_it_would_be_noticed(server: Server, tmp_path: Path) -> None:
    """The control: a status that is not documented, and a body that is documented otherwise."""
    document = server.http.get("/openapi.json").json()
    del document["paths"]["/v1/models"]["get"]["responses"]["401"]
    document["components"]["schemas"]["Liveness"]["properties"]["status"] = {"enum": ["dead"]}
    for path, code in (("/v1/models", "Undocumented status code"), ("/health/live", "Response violates schema")):
        run = explore("tampered with", tmp_path, document, ("--url", server.url, "--include-path", path))
        assert run.status == 1
        assert code in run.output
