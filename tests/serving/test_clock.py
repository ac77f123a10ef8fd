"""The service's clock where the machine's is put back or forward: it goes on by itself, and says how far it is off."""

from __future__ import annotations

import contextlib
import datetime as dt
import shutil
import sqlite3
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.lines import NOW
from support.server import Server
from support.shop import DRINKER, Shop

from recsys.errors import RecsysError
from serving.clock import NO_TIME, ForwardClock, steady_clock
from serving.metrics import Metrics
from serving.stores import StoreError, create_store
from serving.timekeeping import Timekeeper
from web.problems import ProblemError

SECOND = dt.timedelta(seconds=1)
BY_HOW_MUCH = st.integers(-10_000_000, 10_000_000) | st.integers(-400, 400)
STEPS = st.lists(st.tuples(st.integers(0, 10_000), BY_HOW_MUCH), min_size=1, max_size=20)


class Machine:
    """A machine's two clocks."""

    def __init__(self) -> None:
        self.passed, self.put = 0.0, 0.0

    def wall(self) -> dt.datetime:
        """What it shows, as it was put."""
        return NOW + (self.passed + self.put) * SECOND

    def steady(self) -> float:
        """Seconds since some time."""
        return 5000 + self.passed


@given(STEPS)
def test_it_goes_on_as_time_passes_and_follows_what_is_put_right(steps: list[tuple[int, int]]) -> None:
    """By up to five minutes between two looks. By how much the machine's is ahead otherwise it says."""
    machine = Machine()
    clock = ForwardClock(machine.wall, machine.steady)
    before, followed = clock(), 0.0
    for passed, put in steps:
        machine.passed, machine.put = machine.passed + passed, machine.put + put
        jumped = machine.put - followed > 300
        followed = followed if jumped else max(followed, machine.put)
        now = clock()
        assert now - before >= passed * SECOND  # what stood still stands, by as much as time has passed
        assert now == NOW + (machine.passed + followed) * SECOND
        assert clock.ahead == (machine.wall() - now if jumped else NO_TIME)
        before = now


def test_one_that_was_put_far_forward_is_followed_once_it_is_put_right_or_accepted() -> None:
    machine = Machine()
    clock = ForwardClock(machine.wall, machine.steady)
    machine.put = 3600
    assert clock() == NOW
    assert clock.ahead == 3600 * SECOND
    machine.put = 200
    assert clock.ahead == NO_TIME
    assert clock() == NOW + 200 * SECOND
    machine.put, machine.passed = 86_400, 10
    clock.accept()
    assert clock.ahead == NO_TIME
    assert clock() == machine.wall()
    machine.put += 301
    assert clock.ahead == 301 * SECOND


def test_a_clock_that_runs_faster_or_slower_to_be_put_right_is_followed() -> None:
    """By 0.05 %, for a year; looked at once a day."""
    for rate in (0.0005, -0.0005):
        machine = Machine()
        clock = ForwardClock(machine.wall, machine.steady)
        for _ in range(365):
            machine.passed += 86_400
            machine.put += rate * 86_400
            assert clock.ahead == NO_TIME
        assert clock() == NOW + (machine.passed + max(0, machine.put)) * SECOND


def test_time_that_a_machine_sleeps_passes() -> None:
    """It would else look as if its clock had been put forward."""
    before = time.clock_gettime(time.CLOCK_BOOTTIME)
    assert before <= steady_clock() <= time.clock_gettime(time.CLOCK_BOOTTIME)


def test_a_process_that_is_started_later_goes_by_the_time_of_its_siblings() -> None:
    machine = Machine()
    first = ForwardClock(machine.wall, machine.steady)
    machine.passed, machine.put = 60, -3 * 3600
    assert ForwardClock(machine.wall, machine.steady, lead=first.lead)() == first() > machine.wall()
    machine.put = 300
    assert ForwardClock(machine.wall, machine.steady, lead=first.lead)() == first() == machine.wall()
    machine.put = 3600
    later = ForwardClock(machine.wall, machine.steady, lead=first.lead)
    assert later() == first() < machine.wall()
    assert later.ahead == first.ahead == 3300 * SECOND


def test_a_clock_that_is_behind_what_was_written_catches_up_or_is_refused() -> None:
    machine = Machine()
    clock = ForwardClock(machine.wall, machine.steady)
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
    clock = ForwardClock(machine.wall, machine.steady)
    said = clock()
    machine.passed, machine.put = 3600, -3 * 3600
    assert machine.wall() < said < clock()


@pytest.mark.slow
def test_that_a_clock_is_right_is_written_down_before_it_is_followed(empty_file: Path, tmp_path: Path) -> None:
    machine, state = Machine(), shutil.copy(empty_file, tmp_path / "state.db")
    clock = ForwardClock(machine.wall, machine.steady)
    with (
        contextlib.closing(create_store(f"sqlite:///{state}")) as store,
        contextlib.closing(sqlite3.connect(state, isolation_level=None)) as other,
    ):
        keeper = Timekeeper(clock, store, Metrics())
        keeper.accept_clock()
        keeper.look()  # there is nothing to accept, and it is not kept
        machine.put = 3600
        keeper.look()
        with pytest.raises(ProblemError):
            keeper.check()
        keeper.accept_clock()
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreError):
            keeper.look()
        assert clock() == NOW
        other.execute("ROLLBACK")
        keeper.look()  # tries again
        keeper.check()
        assert clock() == machine.wall()
        assert store.audit.newest() == NOW
        Timekeeper(machine.wall, store, Metrics()).check()  # a replay's clock is what it is


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
