"""Terms: what callers of a server may do. They are settings, which no server is needed for."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Terms:
    """What one caller may do, and how it ends.

    Args:
        connections: At once; one more is refused.
        request_seconds: In which a request has to arrive whole, and its answer to be taken.
        grace_seconds: For requests that are under way at the end.
        certificate: Of the server, with its chain; None: nothing is encrypted.
        key: To the certificate.
    """

    connections: int = 1_000
    request_seconds: float = 10.0
    grace_seconds: int = 10
    certificate: Path | None = None
    key: Path | None = None
