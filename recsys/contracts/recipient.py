"""Recipients: who holds tokens of a domain. An erasure order, a map and every receipt name one of them."""

from __future__ import annotations

from typing import Annotated, Final

import msgspec

TRAINING: Final = "training"  # the purchases dataset of `recsys-train`
SERVING: Final = "serving"  # the state store of `recsys-serve`
OWN_DOMAIN: Final = "rec"  # of their tokens, where nothing else was said

RECIPIENT_PATTERN: Final = r"^[a-z][a-z0-9-]{0,31}$"

Recipient = Annotated[str, msgspec.Meta(pattern=RECIPIENT_PATTERN)]
