"""Schemathesis against a real server: the whole document, as it stands, narrowed to the shop, and without a key.

As it stands, most of what fits the document is refused, since tokens and items are made up. Narrowed, what fits it
names people and goods of the shop, so that all of it has to be taken: what answers is the service and not its door.
Narrowed it is gone over twice: as it is, and with an Idempotency-Key that is new to each request, which alone may
reserve. The phase that follows links from answer to request is left out: the document has none.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from support.server import Server
from support.shop import DRINKER, NOW, POLICY, STRANGER, TYPES
from support.tokens import token

EARLIER: Final = ["2017-11-27T08:59:30Z", "2017-11-01T00:00:00+01:00", "1970-01-01T00:00:00.000001Z", NOW]
LATER: Final = [None, "2017-12-01T00:00:00Z", "2017-11-01T00:00:00Z"]
_TESTS: Final = str(Path(__file__).parents[1])
_KEY: Final = "Idempotency-Key"
_FRESH_KEYS: Final = "support.fresh_keys"
_REFERENCE: Final = "#/components/schemas/"
_ASKED: Final = "Asked"  # what the copies of the schemas for requests are called


@dataclass(frozen=True)
class Run:
    """One run of Schemathesis."""

    name: str
    status: int
    output: str

    @property
    def cases(self) -> int:
        """How many requests it made up."""
        found = re.search(r"(\d[\d,]*) generated", self.output)
        return int(found[1].replace(",", "")) if found else 0


def fuzz(server: Server, folder: Path, *, examples: int, seed: int) -> list[Run]:
    """Four runs.

    Args:
        server: With a key that may do everything.
        folder: For the documents.
        examples: Made up for each operation, beside those that cover its schema.
        seed: Of what is made up.
    """
    document = server.http.get("/openapi.json").json()
    decision = str(server.ask(DRINKER)["decision_id"])
    key = ("--header", f"Authorization: Bearer {server.key}")
    door = ("--exclude-checks", "positive_data_acceptance")  # a token that fits the document may be nobody's here
    common = ("--url", server.url, "--max-examples", str(examples), "--seed", str(seed))
    valid = (*common, *key, "--mode", "positive")
    return [
        explore("as it stands", folder, document, (*common, *key, *door)),
        explore("narrowed to the shop", folder, narrowed(document, decision), valid),
        explore("narrowed, reserving", folder, narrowed(document, decision, reserving=True), valid, hooks=_FRESH_KEYS),
        explore("without a key", folder, document, (*common, *door)),
    ]


def explore(name: str, folder: Path, document: Mapping[str, Any], options: Sequence[str], *, hooks: str = "") -> Run:
    """Run Schemathesis; its status is 0 when every answer was as documented.

    Args:
        name: What the run is called.
        folder: For the document.
        document: What is promised.
        options: Of Schemathesis.
        hooks: A module of these tests that changes what is sent.
    """
    path = folder / "openapi.json"
    path.write_text(json.dumps(document))
    done = subprocess.run(  # noqa: S603 - a program of the tests
        [
            *(str(Path(sys.executable).parent / "schemathesis"), "run", str(path), "--no-color"),
            *("--phases", "examples,coverage,fuzzing", "--generation-database", "none", *options),
        ],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "COLUMNS": "200", **({"SCHEMATHESIS_HOOKS": hooks, "PYTHONPATH": _TESTS} if hooks else {})},
    )
    return Run(name, done.returncode, done.stdout + done.stderr)


def narrowed(document: Mapping[str, Any], decision: str, *, reserving: bool = False) -> dict[str, Any]:
    """The document whose requests name what is known in the shop; what is answered stays as it was.

    Args:
        document: As the service gives it.
        decision: The id of one that was made.
        reserving: Leave what takes an Idempotency-Key only, and let it reserve, which needs one.
    """
    made: dict[str, Any] = json.loads(json.dumps(document))
    asked = {f"{name}{_ASKED}": _narrow(schema) for name, schema in made["components"]["schemas"].items()}
    if not reserving:
        for schema in asked.values():
            schema.get("properties", {}).pop("reserve_seconds", None)
    made["components"]["schemas"] |= asked
    for operations in made["paths"].values():
        for method, operation in list(operations.items()):
            if reserving and not _takes_a_key(operation):
                del operations[method]
            else:
                _narrow_operation(operation, {"decision_id": decision, "offer": "offer-milk-1"})
    return made


def _takes_a_key(operation: Mapping[str, Any]) -> bool:
    return any(each["name"] == _KEY for each in operation.get("parameters", []))


def _narrow_operation(operation: dict[str, Any], known: Mapping[str, str]) -> None:
    for content in operation.get("requestBody", {}).get("content", {}).values():
        content.pop("examples")  # of another shop
        content["schema"] = _narrow(content["schema"])
    kept = [each for each in operation.get("parameters", []) if each["name"] != _KEY]  # made-up keys meet again
    for parameter in kept:
        value = known.get(parameter["name"])
        if value is not None:
            parameter |= {"schema": {"enum": [value]}, "example": value}
    operation["parameters"] = kept


def _narrow(node: Any) -> Any:  # noqa: ANN401 - any part of a schema
    if isinstance(node, list):
        return [_narrow(each) for each in node]
    if not isinstance(node, dict):
        return node
    if "$ref" in node:
        return {"$ref": f"{node['$ref']}{_ASKED}"}
    made = {name: _narrow(value) for name, value in node.items() if name != "properties"}
    if "properties" in node:
        known = _known()
        made["properties"] = {name: known.get(name) or _narrow(value) for name, value in node["properties"].items()}
    return made


def _known() -> dict[str, dict[str, Any]]:
    """Fields by name, and what may stand in them."""
    people = [DRINKER, STRANGER, *(token(number) for number in range(40))]
    leavers = [token(f"leaver {number}") for number in range(20)]
    return {
        "subject": {"enum": people},
        "subjects": {"type": "array", "items": {"enum": leavers}, "minItems": 1, "maxItems": 8},
        "basket": {"enum": [None, *people[:3]]},
        "item": {"enum": [None, *(f"{kind}-{number}" for kind in TYPES for number in range(3))]},
        "offer_id": {"enum": [None, *(f"offer-{kind}-1" for kind in TYPES)]},
        "decision_id": {"enum": [None, "0" * 32]},
        "at": {"enum": EARLIER},
        "issued_at": {"enum": EARLIER},
        "expires": {"enum": LATER},
        "channel": {"enum": ["email", "till"]},
        "reserve_seconds": {"enum": [None, 1, 3600]},
        "count": {"enum": [1, 10, 100]},  # 10.0 is whole to JSON Schema, and is refused
        "policy": {"enum": [POLICY, "version = 1\n"]},
    }
