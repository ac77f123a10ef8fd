"""/openapi.json: made from the operations themselves and from the very types that are decoded and sent."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import msgspec

from serving.routing import Operation
from web.problems import INTERNAL, MEDIA_TYPE, Kind, Problem

EXAMPLE_TOKEN: Final = "s1.rec.01.k5q2c7ynwd4mx3ju6oethrzbva"  # noqa: S105 - nobody's, and no secret
JSON: Final = "application/json"
_BEFORE: Final = (
    "Before there is a request, a connection may be answered with 400 (no HTTP/1), 408 (not whole in time), "
    "431 (too long a head) or 503 (too many connections), and is ended."
)
_REFERENCE: Final = "#/components/schemas/{name}"
_KEY: Final = "key"

IDEMPOTENCY_KEY: Final = {
    "name": "Idempotency-Key",
    "in": "header",
    "schema": {"type": "string", "pattern": r'^"(?:[ -!#-\[\]-~]|\\["\\]){1,255}"$'},
    "example": '"8e03978e-40d5-43dd-bc93-6894a57f9324"',
    "description": "A quoted string of 1 to 255 characters. The same request sent again within 24 hours is answered "
    "alike, and not carried out again; see draft-ietf-httpapi-idempotency-key-header.",
}
PRIVACY_CONTROL: Final = {
    "name": "Sec-GPC",
    "in": "header",
    "schema": {"type": "string"},
    "example": "1",
    "description": "The person's Global Privacy Control signal, relayed: `1` is an opt-out of profiling and training. "
    "Anything else is no signal, as its specification says.",
}


def document(title: str, summary: str, operations: Iterable[Operation], types: Sequence[object]) -> dict[str, Any]:
    """The OpenAPI 3.1 document.

    Args:
        title: What the service is called.
        summary: What it does, in a sentence.
        operations: All of them.
        types: Whatever they refer to.
    """
    paths: dict[str, dict[str, Any]] = {}
    for operation in operations:
        paths.setdefault(operation.path, {})[operation.method.lower()] = _operation(operation)
    return {
        "openapi": "3.1.0",
        "info": {"title": title, "version": "1", "summary": summary, "description": _BEFORE},
        "paths": paths,
        "components": {
            "schemas": dict(msgspec.json.schema_components([*types, Problem], ref_template=_REFERENCE)[1]),
            "securitySchemes": {
                _KEY: {"type": "http", "scheme": "bearer", "bearerFormat": "rk1.<key_id>.<secret>"},
            },
        },
    }


def reply(kind: object, example: object) -> dict[str, dict[str, Any]]:
    """What a 200 holds: JSON of a type, and one example."""
    return {JSON: {"schema": reference(kind), "example": example}}


def json_body(schema: Mapping[str, Any], **examples: object) -> dict[str, Any]:
    """A JSON body that has to be there, with named examples."""
    named = {name: {"value": value} for name, value in examples.items()}
    return {"required": True, "content": {JSON: {"schema": schema, "examples": named}}}


def reference(kind: object) -> dict[str, Any]:
    """The schema of a type; structures are referred to by name."""
    return msgspec.json.schema_components([kind], ref_template=_REFERENCE)[0][0]


def _operation(operation: Operation) -> dict[str, Any]:
    text = inspect.cleandoc(operation.handler.__doc__ or "")
    summary, _, more = text.partition("\n\n")
    documented: dict[str, Any] = {
        "tags": [operation.tag],
        "operationId": operation.handler.__name__.strip("_"),
        "summary": summary.rstrip("."),
        "responses": _responses(operation),
        "security": [{_KEY: [operation.scope.value]}] if operation.scope else [],
    }
    if more:
        documented["description"] = more
    if operation.parameters:
        documented["parameters"] = list(operation.parameters)
    if operation.body:
        documented["requestBody"] = operation.body
    return documented


def _responses(operation: Operation) -> dict[str, Any]:
    responses: dict[str, Any] = {"200": {"description": "Done", "content": dict(operation.replies)}}
    for kind in (*operation.all_problems, INTERNAL):
        known = responses.setdefault(str(int(kind.status)), _problem(kind))
        example = msgspec.to_builtins(kind.problem("What is wrong, and how to mend it"))
        known["content"][MEDIA_TYPE]["examples"][kind.name] = {"value": example}
    return responses


def _problem(kind: Kind) -> dict[str, Any]:
    return {"description": kind.title, "content": {MEDIA_TYPE: {"schema": reference(Problem), "examples": {}}}}
