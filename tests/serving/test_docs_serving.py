"""What docs/serving.md shows, run against a real server: every endpoint with curl, the lines of Python, the trial."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families
from support.server import Server
from support.shop import DRINKER, MILK, Shop
from support.tokens import token

from recsys.policy.reading import parse_policy
from serving.client import Client

pytestmark = pytest.mark.slow

PAGE = Path(__file__).parents[2] / "docs" / "serving.md"
COMMANDS = [
    "curl" + command
    for block in re.findall(r"```sh\n(.*?)```", PAGE.read_text(), re.DOTALL)
    for command in re.split(r"^curl", block, flags=re.MULTILINE)[1:]
]

# Of these labels the page tells no values: policies, bundles and the document have them.
OPEN = {"route", "method", "rule", "model", "policy", "le"}


def block(language: str) -> str:
    """The page's only block in a language."""
    (found,) = re.findall(rf"```{language}\n(.*?)```", PAGE.read_text(), re.DOTALL)
    return found


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


def test_every_value_of_a_label_is_documented(server: Server) -> None:
    rows = dict(re.findall(r"^\| `(recsys_\w+)`.*?\|(.*?)\|", PAGE.read_text(), re.MULTILINE))
    told = set()
    for family in text_string_to_metric_families(server.http.get("/metrics").text):
        figure = family.name.removesuffix("_created")  # which the library adds to what is counted
        unspoken = OPEN | ({"status"} if figure == "recsys_requests" else set())
        for label, value in {pair for sample in family.samples for pair in sample.labels.items()}:
            if label not in unspoken:
                (values,) = re.findall(rf"`{label}`: ([^;`]*)", rows[figure])
                assert value in re.split(r",\s*", values.strip()), (figure, label, value)
                told.add(label)
    assert told == {"stage", "fill", "arm", "outcome", "why", "status", "role"}


def test_the_lines_of_python_ask_for_a_decision(server: Server) -> None:
    names: dict[str, Any] = {"url": server.url, "key": server.key, "subject": DRINKER}
    exec(block("python"), names)  # noqa: S102 - the page's own lines
    assert names["decision"].items
    assert names["Client"] is Client


def test_the_trial_is_one_of_a_policy() -> None:
    trial = parse_policy(f"version = 1\n{block('toml')}".encode(), where="the page").trial
    assert trial is not None
    assert trial.challenger == 0.5
