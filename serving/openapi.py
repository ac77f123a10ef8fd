"""What /openapi.json says of bodies: the schemas of the very types that are decoded and sent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from serving.problems import INTERNAL, MEDIA_TYPE, Kind, Problem

EXAMPLE_TOKEN: Final = "s1.rec.01.k5q2c7ynwd4mx3ju6oethrzbva"  # noqa: S105 - nobody's, and no secret
_REFERENCE: Final = "#/components/schemas/{name}"


def operation(*, reply: object, example: object, problems: tuple[Kind, ...], body: object = None) -> dict[str, Any]:
    """Keyword arguments that document a route.

    Args:
        reply: The type of what is answered.
        example: One such answer.
        problems: What else may be answered.
        body: The request body, from `json_body`.
    """
    responses: dict[int | str, dict[str, Any]] = {
        200: {"description": "Done", "content": {"application/json": {"schema": reference(reply), "example": example}}}
    }
    for kind in (*problems, INTERNAL):
        known = responses.setdefault(
            int(kind.status),
            {"description": kind.title, "content": {MEDIA_TYPE: {"schema": reference(Problem), "examples": {}}}},
        )
        detail = msgspec.to_builtins(kind.problem("What is wrong, and how to mend it"))
        known["content"][MEDIA_TYPE]["examples"][kind.name] = {"value": detail}
    return {"responses": responses, "openapi_extra": {"requestBody": body} if body else None}


def json_body(schema: Mapping[str, Any], **examples: object) -> dict[str, Any]:
    """A JSON body that has to be there, with named examples."""
    named = {name: {"value": value} for name, value in examples.items()}
    return {"required": True, "content": {"application/json": {"schema": schema, "examples": named}}}


def reference(kind: object) -> dict[str, Any]:
    """The schema of a type; structures are referred to by name, see `components`."""
    return msgspec.json.schema_components([kind], ref_template=_REFERENCE)[0][0]


def components(*kinds: object) -> dict[str, Any]:
    """The named schemas of all structures in `kinds`."""
    return dict(msgspec.json.schema_components(kinds, ref_template=_REFERENCE)[1])
