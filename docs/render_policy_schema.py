"""Writes `docs/policy.schema.json` from the policy's structs, for editors: `python docs/render_policy_schema.py`.

With a line `#:schema …/docs/policy.schema.json` at its top, an editor that knows TOML completes and checks a policy.
"""

from __future__ import annotations

import json
from pathlib import Path

import msgspec

from recsys.policy.document import PolicyDocument

PAGE = Path(__file__).parent / "policy.schema.json"


def schema() -> str:
    """The JSON Schema (draft 2020-12), with the structs' docstrings as descriptions."""
    head = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "The guards' policy, version 1",
    }
    made = msgspec.json.schema(PolicyDocument)
    return json.dumps(head | made, indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    PAGE.write_text(schema(), encoding="utf-8")
