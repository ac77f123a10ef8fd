"""Probing the store: one try at a time for everyone, no more than one a second, and nobody waits without end."""

from __future__ import annotations

import asyncio
import itertools
import threading
import time

import pytest

from serving.probing import Probe
from serving.stores import StoreError


def test_all_who_ask_at_once_wait_for_one_try() -> None:
    go_on, tries = threading.Event(), []

    def attempt() -> int:
        tries.append(go_on.wait(30))
        return len(tries)

    async def ask() -> None:
        probe = Probe(attempt)
        asking = [asyncio.create_task(probe.outcome()) for _ in range(50)]
        await asyncio.sleep(0.05)
        go_on.set()
        assert await asyncio.gather(*asking) == [1] * 50

    asyncio.run(ask())


def test_what_failed_is_tried_again_by_the_next() -> None:
    go_on, tries = threading.Event(), []

    def attempt() -> int:
        tries.append(go_on.wait(30))
        if len(tries) == 1:
            raise StoreError("the disk is full")
        return len(tries)

    async def ask() -> None:
        probe = Probe(attempt)
        asking = [asyncio.create_task(probe.outcome()) for _ in range(5)]
        await asyncio.sleep(0.05)
        go_on.set()
        told = await asyncio.gather(*asking, return_exceptions=True)
        assert [str(one) for one in told] == ["the disk is full."] * 5
        assert await probe.outcome() == 2

    asyncio.run(ask())


@pytest.mark.slow  # it waits
def test_what_went_well_is_tried_again_after_a_second() -> None:
    tries = []

    async def ask() -> None:
        probe = Probe(lambda: tries.append(time.monotonic()))
        end = time.monotonic() + 2.5
        while time.monotonic() < end:
            await probe.outcome()
            await asyncio.sleep(0.01)

    asyncio.run(ask())
    assert 2 <= len(tries) <= 3
    assert all(later - earlier > 0.5 for earlier, later in itertools.pairwise(tries))


@pytest.mark.slow  # it waits
def test_nobody_waits_for_a_store_that_hangs() -> None:
    go_on = threading.Event()

    async def ask() -> None:
        probe, began = Probe(lambda: go_on.wait(60)), time.monotonic()
        for least, most in ((2.4, 10), (0, 10)):
            with pytest.raises(StoreError, match="did not answer within"):
                await probe.outcome()
            assert least < time.monotonic() - began < most
        go_on.set()
        await asyncio.sleep(0.1)
        assert await probe.outcome()

    asyncio.run(ask())
