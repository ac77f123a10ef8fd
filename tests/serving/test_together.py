"""What waits at the same time is done in one piece, and every request hears what became of its own part."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator, Sequence

import pytest

from serving.stores import StoreError
from serving.together import Together


class Doubling:
    """Doubles numbers, once it may; refuses to work where a 13 is among them. Remembers each piece of work."""

    def __init__(self) -> None:
        self.pieces: list[list[int]] = []
        self.began, self.may_go_on = threading.Event(), threading.Event()

    def __call__(self, numbers: Sequence[int], patience: float) -> list[int]:
        assert 0 < patience <= 2
        self.pieces.append(list(numbers))
        self.began.set()
        assert self.may_go_on.wait(10)
        if 13 in numbers:
            raise StoreError("the state holds a 13")
        return [2 * number for number in numbers]


@contextlib.asynccontextmanager
async def asked(doubling: Doubling, *parts: list[int], apart: bool) -> AsyncIterator[list[asyncio.Task[Sequence[int]]]]:
    """Several requests; the first one's work is under way when the others come, and goes on once the block ends."""
    together = Together("double", doubling, most=4, apart=apart)
    tasks = [asyncio.create_task(together.do(parts[0]))]
    await asyncio.to_thread(doubling.began.wait, 10)
    tasks += [asyncio.create_task(together.do(part)) for part in parts[1:]]
    await asyncio.sleep(0)
    yield tasks
    doubling.may_go_on.set()
    await asyncio.wait(tasks)
    together.close()


def test_what_comes_meanwhile_is_the_next_piece() -> None:
    async def run() -> list[Sequence[int]]:
        async with asked(doubling, [1], [2, 3], [4], [5, 6], [7, 8, 9, 10, 11], apart=False) as tasks:
            pass
        return [task.result() for task in tasks]

    doubling = Doubling()
    assert asyncio.run(run()) == [[2], [4, 6], [8], [10, 12], [14, 16, 18, 20, 22]]
    assert doubling.pieces == [[1], [2, 3, 4], [5, 6], [7, 8, 9, 10, 11]]


@pytest.mark.parametrize("apart", [True, False])
def test_an_error_reaches_whom_it_concerns(apart: bool) -> None:  # noqa: FBT001 - a case of the test
    """Where the work may be done twice. Else all hear of it: nothing of it was done."""

    async def run() -> list[bool]:
        async with asked(doubling, [1], [2], [13], [4], apart=apart) as tasks:
            pass
        return [task.exception() is None for task in tasks]

    doubling = Doubling()
    assert asyncio.run(run()) == [True, apart, False, apart]
    assert doubling.pieces == [[1], [2, 13, 4], *([[2], [13], [4]] if apart else [])]


def test_who_has_gone_is_not_waited_for() -> None:
    async def run() -> Sequence[int]:
        async with asked(doubling, [1], [2], [3], apart=False) as tasks:
            tasks[1].cancel()
        return tasks[2].result()

    doubling = Doubling()
    assert asyncio.run(run()) == [6]
