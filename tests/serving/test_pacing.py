"""Pacing: longer and longer pauses, and none where there is something new."""

from __future__ import annotations

from serving.pacing import Pacing


class Clock:
    """Seconds, put forward by hand."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def pauses(pacing: Pacing, clock: Clock, count: int, seen: object = "a") -> list[float]:
    """What fails whenever it is due is due again after so many seconds."""
    found = []
    for _ in range(count):
        pacing.failed("reload", seen)
        began = clock.now
        while not pacing.due("reload", seen):
            clock.now += 0.5
        found.append(clock.now - began)
    return found


def test_pauses_grow_up_to_half_a_minute() -> None:
    clock = Clock()
    assert pauses(Pacing(clock), clock, 8) == [1, 2, 4, 8, 16, 30, 30, 30]


def test_what_has_changed_is_tried_at_once_and_its_pauses_begin_anew() -> None:
    clock = Clock()
    pacing = Pacing(clock)
    pauses(pacing, clock, 4)
    pacing.failed("reload", "a")
    assert not pacing.due("reload", "a")
    assert pacing.due("reload", "b")
    assert pauses(pacing, clock, 2, "b") == [1, 2]


def test_what_went_well_is_forgotten_and_others_are_others() -> None:
    clock = Clock()
    pacing = Pacing(clock)
    pauses(pacing, clock, 3)
    pacing.failed("reload", "a")
    assert pacing.due("statistics", "a")
    pacing.went_well("reload")
    assert pacing.due("reload", "a")
    assert pauses(pacing, clock, 1) == [1]
