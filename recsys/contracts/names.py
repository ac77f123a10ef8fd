"""Names that callers choose: of offers, events, decisions, placements; and of channels, which are also purposes."""

from __future__ import annotations

from typing import Annotated, Final

import msgspec

NAME_PATTERN: Final = r"^[A-Za-z0-9._:-]{1,64}$"
CHANNEL_PATTERN: Final = r"^[a-z][a-z0-9-]{0,31}$"
NAME_RULE: Final = "1 to 64 of A-Z a-z 0-9 . _ : -"
CHANNEL_RULE: Final = "a small letter, then at most 31 small letters, digits and hyphens"
_NO_MORE: Final = r"(?!\n)"  # in Python and ECMAScript, unlike in polars, `$` also matches before a last line break

Name = Annotated[str, msgspec.Meta(pattern=NAME_PATTERN + _NO_MORE)]
Channel = Annotated[str, msgspec.Meta(pattern=CHANNEL_PATTERN + _NO_MORE)]
