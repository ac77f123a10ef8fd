"""What looking at a key costs: the same for a wrong one as for an unknown one, and nothing of the store's time."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import threading
import time
from types import FrameType
from typing import NoReturn

import pytest

from recsys.console import now as this_instant
from serving.callers import Callers
from serving.keys import Scope, new_key
from serving.stores import Store, StoreError
from web.problems import ProblemError


async def called(callers: Callers, key: str) -> list[str]:
    """The names of the functions in C that are called for a key, in their order."""
    found: list[str] = []

    def note(_: FrameType, event: str, what: object) -> None:
        if event == "c_call":
            found.append(getattr(what, "__name__", ""))

    sys.setprofile(note)  # here: what the event loop needs to begin is none of it
    try:
        with contextlib.suppress(ProblemError):
            await callers.identify(f"Bearer {key}", Scope.DECIDE)
    finally:
        sys.setprofile(None)
    return found


async def ask(callers: Callers, key: str, *, times: int) -> None:
    """Whether the key holds is not of interest."""
    for _ in range(times):
        with contextlib.suppress(ProblemError):
            await callers.identify(f"Bearer {key}", Scope.DECIDE)


def test_keys_are_compared_in_constant_time(store: Store) -> None:
    """By `hmac.compare_digest` over hashes; for a key that is unknown the same is done as for a wrong secret."""
    key, stored = new_key("known", ["decide"], now=this_instant())
    store.keys.add(stored)
    callers = Callers(store)
    other = new_key("other", ["decide"], now=this_instant())[0]
    found = {}
    for kind, sent in (("right", key), ("wrong", key[:-43] + other[-43:]), ("unknown", other)):
        found[kind] = asyncio.run(called(callers, sent))
        assert "compare_digest" in found[kind], kind
        del found[kind][found[kind].index("compare_digest") + 1 :]  # the store may be asked after that
        assert found[kind].count("openssl_sha256") == 1, kind
    assert found["right"] == found["wrong"] == found["unknown"]


def test_strangers_do_not_keep_the_store_busy(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is looked at 20 times a second, in another thread, and not where the key holds."""
    key, stored = new_key("known", ["decide"], now=this_instant())
    store.keys.add(stored)
    looks, changes = [], store.changes
    callers = Callers(store)
    monkeypatch.setattr(store, "changes", lambda: looks.append(threading.current_thread()) or changes())
    asyncio.run(ask(callers, key, times=100))
    assert looks == []
    began = time.monotonic()
    asyncio.run(ask(callers, new_key("nobody", ["decide"], now=this_instant())[0], times=5))
    assert 1 <= len(looks) <= 2 + (time.monotonic() - began) / 0.05
    assert threading.current_thread() not in looks


def test_of_a_store_that_does_not_answer_a_stranger_hears_nothing(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """401 as ever: an error of the store would be counted and logged, as often as a stranger likes."""
    callers = Callers(store)
    store.close()

    def stopped() -> NoReturn:
        raise StoreError("the state does not answer")

    monkeypatch.setattr(store, "changes", stopped)
    with pytest.raises(ProblemError, match="unauthorized"):
        asyncio.run(callers.identify(f"Bearer {new_key('nobody', ['decide'], now=this_instant())[0]}", Scope.DECIDE))


def test_a_key_that_was_made_just_now_holds_whoever_asked_before(store: Store) -> None:
    callers = Callers(store)

    async def ask() -> None:
        for number in range(3):
            with pytest.raises(ProblemError):
                await callers.identify(f"Bearer {new_key('nobody', ['decide'], now=this_instant())[0]}", Scope.DECIDE)
            key, stored = new_key(f"new-{number}", ["decide"], now=this_instant())
            store.keys.add(stored)
            assert (await callers.identify(f"Bearer {key}", Scope.DECIDE)).key_id == stored.key_id

    asyncio.run(ask())
