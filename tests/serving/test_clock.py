"""The service's clock where the machine's is put back or forward: it never goes back, and never stands still."""

from __future__ import annotations

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.lines import NOW
from support.server import Server
from support.shop import DRINKER, Shop

from recsys.errors import RecsysError
from serving.clock import ForwardClock

SECOND = dt.timedelta(seconds=1)
STEPS = st.lists(st.tuples(st.integers(0, 10_000), st.integers(-10_000_000, 10_000_000)), min_size=1, max_size=20)


class Machine:
    """A machine's two clocks."""

    def __init__(self) -> None:
        self.passed, self.put = 0.0, 0

    def wall(self) -> dt.datetime:
        """What it shows, as it was put."""
        return NOW + (self.passed + self.put) * SECOND

    def monotonic(self) -> float:
        """Seconds since some time."""
        return 5000 + self.passed


@given(STEPS)
def test_it_goes_on_as_time_passes_and_is_never_behind_the_machine(steps: list[tuple[int, int]]) -> None:
    machine = Machine()
    clock = ForwardClock(machine.wall, machine.monotonic)
    before, furthest = clock(), 0
    for passed, put in steps:
        machine.passed, machine.put = machine.passed + passed, machine.put + put
        furthest = max(furthest, machine.put)
        now = clock()
        assert now - before >= passed * SECOND  # what stood still stands, by as much as time has passed
        assert now >= machine.wall()
        assert now == NOW + (machine.passed + furthest) * SECOND
        before = now


def test_a_process_that_is_started_later_is_not_behind_its_siblings() -> None:
    machine = Machine()
    first = ForwardClock(machine.wall, machine.monotonic)
    machine.passed, machine.put = 60, -3 * 3600
    assert ForwardClock(machine.wall, machine.monotonic, lead=first.lead)() == first() > machine.wall()
    machine.put = 3600
    assert ForwardClock(machine.wall, machine.monotonic, lead=first.lead)() == first() == machine.wall()


def test_a_clock_that_is_behind_what_was_written_catches_up_or_is_refused() -> None:
    machine = Machine()
    clock = ForwardClock(machine.wall, machine.monotonic)
    clock.catch_up(NOW - SECOND)
    assert clock() == NOW
    clock.catch_up(NOW + 300 * SECOND)
    machine.passed = 10
    assert clock() == NOW + 310 * SECOND
    with pytest.raises(RecsysError, match="3,600 seconds behind the newest record"):
        clock.catch_up(clock() + 3600 * SECOND)


def test_what_was_said_before_it_was_put_back_still_holds() -> None:
    """A no at nine; an hour passes, in which the machine's clock is put back by three."""
    machine = Machine()
    clock = ForwardClock(machine.wall, machine.monotonic)
    said = clock()
    machine.passed, machine.put = 3600, -3 * 3600
    assert machine.wall() < said < clock()


@pytest.mark.slow
def test_a_service_that_was_ahead_starts_again_once_somebody_says_that_the_clock_is_right(
    shop: Shop, state: str
) -> None:
    options = shop.serve_options(state)
    at = options.index("--now")
    options[at + 1] = "2100-01-01T09:00:00Z"
    with Server(*options) as server:
        server.ask(DRINKER)
    real = [*options[:at], *options[at + 2 :]]
    with pytest.raises(RuntimeError, match="behind the newest record of the audit log"), Server(*real):
        pass
    with Server(*real, "--workers", 2, environment={"RECSYS_SERVE_ACCEPT_CLOCK": "true"}) as server:
        assert server.ask(DRINKER)["decision_id"]
