"""The gateway's process, from its first line to its last."""

from __future__ import annotations

import gc
import ipaddress
from collections.abc import Callable

from pseudonymize.gateway.app import Gateway, create_app
from pseudonymize.gateway.deriving import Deriver
from pseudonymize.gateway.logs import log_sparingly
from recsys.console import warn
from web.listening import bind, listen, url_of
from web.terms import Terms


def answer_requests(deriver: Deriver, host: str, port: int, terms: Terms, tell: Callable[[str], None]) -> None:
    """Answer until a signal comes. `tell` is given the address once requests are answered."""
    deriver.follow()
    encrypted = terms.certificate is not None
    with bind(host, port) as listening:
        if not encrypted and not ipaddress.ip_address(listening.getsockname()[0]).is_loopback:
            warn(
                "Other machines can reach this port, and nothing is encrypted: "
                "set --tls-certificate, or put a proxy with TLS before it."
            )
        url = url_of(listening, encrypted=encrypted)
        log_sparingly()
        gateway = Gateway(deriver)
        gc.collect()
        gc.freeze()  # what stands now, stands to the end: looking through it again and again took a tenth of the time
        listen(create_app(gateway), listening, terms, lambda: tell(url), gateway.metrics.count_refusal)
