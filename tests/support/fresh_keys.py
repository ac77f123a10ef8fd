"""A hook of Schemathesis: every request carries an Idempotency-Key that none carried before."""

from __future__ import annotations

import uuid

import schemathesis


@schemathesis.hook
def before_call(context: schemathesis.HookContext, case: schemathesis.Case, **_: object) -> None:  # noqa: ARG001 - the hook's form
    case.headers["Idempotency-Key"] = f'"{uuid.uuid4()}"'
