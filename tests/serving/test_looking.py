"""Looking at the store again: one look for all who wait, in a thread, and nobody is told what was true before."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest
from support.tokens import token

from serving.doorkeeper import Doorkeeper
from serving.looking import Lookout
from serving.stores import Store, StoreError, of_one_request
from web.problems import ProblemError


class Shelf:
    """A store of one number, which may take its time; `looks` counts who looks."""

    def __init__(self) -> None:
        self.number, self.looks = 0, 0
        self.asked, self.answers = threading.Event(), threading.Event()
        self.answers.set()

    def counted(self) -> int:
        self.looks += 1
        number = self.number
        self.asked.set()
        self.answers.wait(30)
        return number

    def lookout(self, pause: float = 0.0) -> Lookout[int]:
        lookout = Lookout("shelf", self.counted, lambda: self.number, pause=pause)
        self.looks = 0
        self.asked.clear()
        return lookout


def test_all_who_ask_while_one_looks_share_the_next() -> None:
    """The first look began before they asked, and is not theirs: what changed meanwhile is known to the second."""
    shelf = Shelf()
    lookout = shelf.lookout()

    async def ask() -> None:
        shelf.answers.clear()
        first = asyncio.create_task(lookout.look())
        await asyncio.to_thread(shelf.asked.wait, 30)
        others = [asyncio.create_task(lookout.look()) for _ in range(50)]
        await asyncio.sleep(0.01)
        shelf.number = 7
        shelf.answers.set()
        assert await first == 0
        assert await asyncio.gather(*others) == [7] * 50

    asyncio.run(ask())
    assert shelf.looks == 2


def test_between_two_looks_there_is_a_pause() -> None:
    shelf = Shelf()
    lookout = shelf.lookout(pause=0.05)

    async def ask() -> None:
        end = time.monotonic() + 0.3
        while time.monotonic() < end:
            await lookout.look()

    asyncio.run(ask())
    assert 2 <= shelf.looks <= 7


@pytest.mark.slow  # it waits
def test_whoever_waits_for_a_store_that_hangs_is_told_in_time_and_the_loop_goes_on() -> None:
    shelf = Shelf()
    lookout = shelf.lookout()
    turns = 0

    async def waits() -> None:
        with of_one_request(), pytest.raises(StoreError, match="did not answer in time"):
            await lookout.look()

    async def ask() -> None:
        nonlocal turns
        shelf.answers.clear()
        began, waiting = time.monotonic(), asyncio.create_task(waits())
        while not waiting.done():
            turns += 1
            await asyncio.sleep(0.01)
        await waiting
        assert 1.9 < time.monotonic() - began < 5
        shelf.number = 7
        shelf.answers.set()
        assert await lookout.look() == 7  # and it recovers

    asyncio.run(ask())
    assert turns > 20


def test_an_error_reaches_all_who_wait_and_the_next_look_is_another() -> None:
    fails = [False]

    def counted() -> int:
        if fails[0]:
            raise StoreError("the disk is gone")
        return 0

    lookout = Lookout("broken", counted, lambda: "seen")

    async def ask() -> None:
        fails[0] = True
        told = await asyncio.gather(*(lookout.look() for _ in range(5)), return_exceptions=True)
        assert [str(one) for one in told] == ["the disk is gone."] * 5
        fails[0] = False
        assert await lookout.look() == "seen"

    asyncio.run(ask())


def test_a_thousand_tokens_of_elsewhere_cost_one_look(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    looks, changes = [], store.changes
    doorkeeper = Doorkeeper(store)
    monkeypatch.setattr(store, "changes", lambda: looks.append(threading.current_thread()) or changes())
    foreign = [token(number, domain="partner") for number in range(1000)]

    async def ask() -> None:
        assert await doorkeeper.accepting(foreign) == store.lineages()
        assert len(looks) == 1
        with pytest.raises(ProblemError, match="problem:token"):
            await doorkeeper.check({f"$[{number}]": one for number, one in enumerate(foreign)})
        assert len(looks) == 2

    asyncio.run(ask())
    assert threading.current_thread() not in looks
