"""Schemathesis against a real server: the whole document, as it stands, narrowed to the shop, and without a key.

As it stands, most of what fits the document is refused, since tokens and items are made up. Narrowed, what fits it
names people and goods of the shop, so that all of it has to be taken: what answers is the service and not its door.
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
    """Three runs.

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
    return [
        explore("as it stands", folder, document, (*common, *key, *door)),
        explore("narrowed to the shop", folder, narrowed(document, decision), (*common, *key, "--mode", "positive")),
        explore("without a key", folder, document, (*common, *door)),
    ]


def explore(name: str, folder: Path, document: Mapping[str, Any], options: Sequence[str]) -> Run:
    """Run Schemathesis; its status is 0 when every answer was as documented."""
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
        env={**os.environ, "COLUMNS": "200"},
    )
    return Run(name, done.returncode, done.stdout + done.stderr)


def narrowed(document: Mapping[str, Any], decision: str) -> dict[str, Any]:
    """The document whose requests name what is known in the shop; what is answered stays as it was."""
    made: dict[str, Any] = json.loads(json.dumps(document))
    schemas = made["components"]["schemas"]
    made["components"]["schemas"] = {**schemas, **{f"{name}{_ASKED}": _narrow(schemas[name]) for name in schemas}}
    for operations in made["paths"].values():
        for operation in operations.values():
            for content in operation.get("requestBody", {}).get("content", {}).values():
                content.pop("examples")  # of another shop
                content["schema"] = _narrow(content["schema"])
            kept = [each for each in operation.get("parameters", []) if each["name"] != "Idempotency-Key"]
            for parameter in kept:
                known = {"decision_id": decision, "offer": "offer-milk-1"}.get(parameter["name"])
                if known is not None:
                    parameter |= {"schema": {"enum": [known]}, "example": known}
            operation["parameters"] = kept  # made-up keys meet again, with another body
    return made


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
        made["properties"] = {
            name: known.get(name) or _narrow(value)
            for name, value in node["properties"].items()
            if name != "reserve_seconds"  # needs an Idempotency-Key
        }
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
        "count": {"enum": [1, 10, 100]},  # 10.0 is whole to JSON Schema, and is refused
        "policy": {"enum": [POLICY, "version = 1\n"]},
    }
