"""Bodies: an API key is found in them however JSON spells it."""

from __future__ import annotations

import json
import re

from hypothesis import given, settings
from hypothesis import strategies as st

from web.api_keys import ESCAPED_KEY_PATTERN, KEY_PATTERN

SPELLINGS = ("{0}", "\\u{1:04x}", "\\u{1:04X}")
KEYS = st.from_regex(KEY_PATTERN, fullmatch=True)


@settings(max_examples=40)
@given(KEYS, st.binary(min_size=60, max_size=60))
def test_a_key_is_found_however_it_is_spelled(key: str, dice: bytes) -> None:
    spelled = [SPELLINGS[die % 3].format(one, ord(one)) for one, die in zip(key, dice, strict=True)]
    body = f'{{"event_id":"{"".join(spelled)}"}}'
    assert json.loads(body) == {"event_id": key}  # the control
    assert re.search(ESCAPED_KEY_PATTERN, body)


@settings(max_examples=60)
@given(KEYS, st.integers(0), st.characters(codec="utf-8"))
def test_what_is_no_key_is_not_taken_for_one(key: str, place: int, other: str) -> None:
    """Whatever stands in the place of one of its characters, however that is spelled."""
    changed = key[: place % len(key)] + other + key[place % len(key) + 1 :]
    for ascii_only in (True, False):
        body = json.dumps({"event_id": changed}, ensure_ascii=ascii_only)
        assert bool(re.search(ESCAPED_KEY_PATTERN, body)) == bool(re.search(KEY_PATTERN, changed))
