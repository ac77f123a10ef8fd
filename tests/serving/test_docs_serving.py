"""Every curl line of docs/serving.md, run against a real server: each endpoint is shown, and each line works."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
from support.server import Server
from support.shop import DRINKER, MILK, Shop
from support.tokens import token

pytestmark = pytest.mark.slow

PAGE = Path(__file__).parents[2] / "docs" / "serving.md"
COMMANDS = [
    "curl" + command
    for block in re.findall(r"```sh\n(.*?)```", PAGE.read_text(), re.DOTALL)
    for command in re.split(r"^curl", block, flags=re.MULTILINE)[1:]
]


def shown(command: str, environment: dict[str, str]) -> str:
    done = subprocess.run(  # noqa: S603 - the page's own lines
        ["/bin/sh", "-c", f"{command.strip()} --fail-with-body"],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **environment},
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
    return done.stdout


def test_every_line_works_in_the_order_of_the_page(shop: Shop, state: str) -> None:
    with Server(*shop.serve_options(state)) as server:
        decision = server.ask(DRINKER, count=3)
        environment = {
            "URL": str(server.http.base_url).rstrip("/"),
            "KEY": server.key,
            "SUBJECT": DRINKER,
            "LEAVER": token(3),
            "DECISION": decision["decision_id"],
            "OFFER": decision["items"][0]["offer_id"],
            "ITEM": MILK,
        }
        answers: list[Any] = []
        for command in COMMANDS:
            answer = shown(command, environment)
            answers.append(answer if "/metrics" in command else json.loads(answer))
        paths = server.http.get("/openapi.json").json()["paths"]
    reported = next(answer for answer in answers if isinstance(answer, dict) and "accepted" in answer)
    assert reported == {"accepted": 4, "duplicates": 0, "dropped": 0, "rejected": []}
    page = "\n".join(COMMANDS)
    for path in paths:
        assert path.replace("{decision_id}", "$DECISION") in page, path


def test_every_problem_and_every_figure_is_documented(server: Server) -> None:
    page = PAGE.read_text()
    document = server.http.get("/openapi.json").json()
    kinds = set(re.findall(r"urn:recsys:problem:([a-z-]+)", json.dumps(document))) - {"internal"}
    assert kinds <= set(re.findall(r"`([a-z-]+)`", page)), kinds
    for figure in re.findall(
        r"^# HELP (recsys_\w+?)(?:_total|_created)? ", server.http.get("/metrics").text, re.MULTILINE
    ):
        assert f"`{figure}`" in page, figure
