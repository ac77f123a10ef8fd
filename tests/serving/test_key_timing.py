"""What looking at a key costs: the same for a wrong one as for an unknown one, and nothing of the store's time."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable
from types import FrameType

from recsys.console import now as this_instant
from serving.callers import Callers
from serving.keys import Scope, new_key
from serving.stores import Store
from web.problems import ProblemError


def called(work: Callable[[], object]) -> list[str]:
    """The functions written in C that it calls, by name and in order."""
    found: list[str] = []

    def note(_: FrameType, event: str, what: object) -> None:
        if event == "c_call":
            found.append(getattr(what, "__name__", ""))

    sys.setprofile(note)
    try:
        work()
    finally:
        sys.setprofile(None)
    return found


def asking(callers: Callers, key: str) -> Callable[[], None]:
    """Whether the key holds is not of interest."""

    def ask() -> None:
        with contextlib.suppress(ProblemError):
            callers.identify(f"Bearer {key}", Scope.DECIDE)

    return ask


def test_keys_are_compared_in_constant_time(store: Store) -> None:
    """By `hmac.compare_digest` over hashes; for a key that is unknown the same is done as for a wrong secret."""
    key, stored = new_key("known", ["decide"], now=this_instant())
    store.keys.add(stored)
    callers = Callers(store)
    callers.refresh()
    other = new_key("other", ["decide"], now=this_instant())[0]
    found = {}
    for kind, sent in (("right", key), ("wrong", key[:-43] + other[-43:]), ("unknown", other)):
        found[kind] = called(asking(callers, sent))
        assert "compare_digest" in found[kind], kind
        del found[kind][found[kind].index("compare_digest") + 1 :]  # the store may be asked after that
        assert found[kind].count("openssl_sha256") == 1, kind
    assert found["right"] == found["wrong"] == found["unknown"]


def test_strangers_do_not_keep_the_store_busy(store: Store) -> None:
    callers = Callers(store)
    ask = asking(callers, new_key("nobody", ["decide"], now=this_instant())[0])
    looking = len(called(ask))
    refusing = min(len(called(ask)) for _ in range(5))
    assert looking > 3 * refusing  # the control: the first one asked the store
    began = time.monotonic()
    found = len(called(lambda: [ask() for _ in range(200)]))
    looks = 2 + (time.monotonic() - began) / 0.05
    assert found <= 200 * (refusing + 3) + looks * looking
