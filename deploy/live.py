"""Whether the service of a container lives, asked where its settings put it: `python live.py SETTINGS`; 0 or 1.

Not whether it is ready: some orchestrators replace what is unhealthy, which mends no store that is away, and has the
service follow a clock that jumped (docs/serving.md, "Health and figures"). It is started every 15 seconds, and so looks
up what it needs by itself: starting all of the program takes much longer.
"""

from __future__ import annotations

import http.client
import os
import ssl
import sys
import tomllib
from collections.abc import Sequence
from http import HTTPStatus
from pathlib import Path
from typing import Final

_HOST: Final = "127.0.0.1"
_PATIENCE: Final = 4.0  # seconds; the image's own is five
_DEFAULT_PORT: Final = 8000


def main(arguments: Sequence[str]) -> int:
    """The exit status."""
    (settings,) = arguments
    given = tomllib.loads(Path(settings).read_text(encoding="utf-8"))
    given |= {name: value for name in ("port", "tls_certificate") if (value := os.environ.get(_variable(name)))}
    connection = _connected(int(given.get("port", _DEFAULT_PORT)), given.get("tls_certificate"))
    try:
        connection.request("GET", "/health/live")
        answer = connection.getresponse()
        sys.stdout.write(answer.read().decode())
    except (OSError, http.client.HTTPException) as error:
        sys.stdout.write(f"{type(error).__name__}\n")
        return 1
    return 0 if answer.status == HTTPStatus.OK else 1


def _variable(name: str) -> str:
    return f"RECSYS_SERVE_{name.upper()}"


def _connected(port: int, certificate: str | None) -> http.client.HTTPConnection:
    if certificate is None:
        return http.client.HTTPConnection(_HOST, port, timeout=_PATIENCE)
    context = ssl.create_default_context(cafile=certificate)  # this very one, whoever signed it, for whatever name
    context.check_hostname = False
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    return http.client.HTTPSConnection(_HOST, port, timeout=_PATIENCE, context=context)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
