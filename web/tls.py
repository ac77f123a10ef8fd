"""TLS: the certificate and its key, looked at before anything is promised."""

from __future__ import annotations

import ssl
from pathlib import Path

from recsys.errors import RecsysError, UsageError


def check_pair(certificate: Path | None, key: Path | None) -> None:
    """Return when both are given and belong together, or neither is given.

    Raises:
        UsageError: One is given without the other.
        RecsysError: They cannot be read, or do not belong together.
    """
    if certificate is None and key is None:
        return
    if certificate is None or key is None:
        missing = "--tls-certificate" if certificate is None else "--tls-key"
        raise UsageError("is missing", where=missing, mend="HTTPS needs a certificate and its key")
    for path in (certificate, key):
        if not path.is_file():
            raise RecsysError("is no file", where=str(path), mend="Name a file in PEM")
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key, password="")
    except (ssl.SSLError, OSError, ValueError):
        raise RecsysError(
            "cannot be used with its key", where=str(certificate), mend="Name a certificate and its own key, in PEM"
        ) from None
