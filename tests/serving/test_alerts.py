"""What the alert rules make of what may happen: who is woken, who is told, and that the first time is enough.

The service's own figures are scraped every 15 seconds of a story, or every minute of a long one; `test_alerts_real.py`
holds them against a server. The rules are evaluated by a small model (`support.promql`), and where Prometheus' own
promtool is installed by it too; a test's name says by which.
"""

from __future__ import annotations

import functools
import json
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml
from support.machine import DAY, Machine
from support.promql import Labels, Query, Scrape, Told, seconds_of

ROOT = Path(__file__).parents[2]
FILE = ROOT / "deploy" / "alerts.yml"
RULES = [rule for group in yaml.safe_load(FILE.read_text())["groups"] for rule in group["rules"]]
JUDGES = ["model", *(["promtool"] if shutil.which("promtool") else [])]
STEP = 15


Machines = tuple[Machine, Machine]
Story = Callable[[Machines, int], None]  # what happens before the scrape of a second


@dataclass(frozen=True)
class Case:
    """A story, how long it is, which alerts stand at its end, and seconds between scrapes: of a long one, more."""

    name: str
    story: Story
    minutes: int
    alerts: frozenset[str] = frozenset()
    step: int = STEP


def busy(machines: Machines, _: int) -> None:
    for machine in machines:
        machine.asked()
        machine.decided()


def from_minute(minute: int, story: Story) -> Story:
    """Business as usual, and then this instead."""
    return lambda machines, second: (busy if second < 60 * minute else story)(machines, second)


def once(minute: int, story: Story) -> Story:
    """Business as usual, and this happens once."""

    def told(machines: Machines, second: int) -> None:
        busy(machines, second)
        if second == 60 * minute:
            story(machines, second)

    return told


def locked(machines: Machines, _: int) -> None:
    machines[0].failed(3)


def no_store(machines: Machines, _: int) -> None:
    for machine in machines:
        machine.failed(100)


def overloaded(machines: Machines, second: int) -> None:
    busy(machines, second)
    machines[0].asked(503, 30)
    machines[0].metrics.turned_away.labels("overload").inc(30)


def failing(machines: Machines, second: int) -> None:
    busy(machines, second)
    machines[1].asked(500, 5)


def refuses(machines: Machines, _: int) -> None:
    machines[1].metrics.refused.set(1)


def mended(machines: Machines, second: int) -> None:
    busy(machines, second)
    machines[1].metrics.refused.set(second in range(600, 720))


def silent(machines: Machines, second: int) -> None:
    busy(machines, second)
    machines[1].answers = False


def all_silent(machines: Machines, _: int) -> None:
    for machine in machines:
        machine.answers = False


def popular(machines: Machines, _: int) -> None:
    for machine in machines:
        machine.asked()
        machine.decided("popular")


def restless(machines: Machines, second: int) -> None:
    busy(machines, second)
    machines[0].metrics.worker_started.set(second // 60 * 60)


def leaking(machines: Machines, second: int) -> None:
    """Each takes a little longer to fill the memory than `restless` ones take to end."""
    busy(machines, second)
    machines[0].metrics.worker_started.set(second // 2100 * 2100)


def jumped(machines: Machines, _: int) -> None:
    machines[1].asked(503)
    machines[1].metrics.clock_ahead.set(3600)


def erased(machines: Machines, _: int) -> None:
    machines[0].reported_erased()


def slow(machines: Machines, _: int) -> None:
    for machine in machines:
        machine.asked(times=97)
        machine.asked(times=3, seconds=0.4)


def many_start(machines: Machines, second: int) -> None:
    """Sixteen workers, one after the other."""
    busy(machines, second)
    if second in range(300, 300 + 16 * STEP):
        machines[0].metrics.worker_started.set(second)


def aged(machines: Machines, second: int) -> None:
    busy(machines, second)
    machines[0].metrics.learned_until.set(-43 * DAY)
    machines[1].metrics.statistics_as_of.set(-8 * DAY)


CASES = [
    Case("nothing happens", busy, 62),
    Case(
        "one erased person is reported, for the first time",
        once(10, erased),
        12,
        frozenset({"RecsysErasedPeopleReported"}),
    ),
    Case("a bundle is refused, for the first time", once(10, refuses), 12, frozenset({"RecsysReloadRefused"})),
    Case("a bundle was refused and is mended", mended, 15),
    Case("one lock, which passes", once(10, locked), 12),
    Case("the store is away", from_minute(10, no_store), 14, frozenset({"RecsysStoreErrors"})),
    Case("a clock is put forward", from_minute(10, jumped), 12, frozenset({"RecsysClockJumped"})),
    Case("more is asked than is answered", from_minute(5, overloaded), 22, frozenset({"RecsysOverloaded"})),
    Case("requests fail", from_minute(5, failing), 14, frozenset({"RecsysServerErrors"})),
    Case("one machine of two is away", from_minute(5, silent), 8, frozenset({"RecsysDown"})),
    Case("both machines are away", from_minute(5, all_silent), 8, frozenset({"RecsysDown"})),
    Case("no list was ever personal", popular, 62, frozenset({"RecsysNotPersonal"})),
    Case("workers end every minute", from_minute(5, restless), 25, frozenset({"RecsysWorkersEnd"})),
    Case("a worker ends every 35 minutes", leaking, 236, frozenset({"RecsysWorkersEndNowAndThen"}), 60),
    Case("sixteen workers are started", many_start, 18),
    Case("sixteen workers were started two hours ago", many_start, 124, step=60),
    Case("decisions take long", from_minute(5, slow), 20, frozenset({"RecsysSlow"})),
    Case("nobody brought anything new", aged, 62, frozenset({"RecsysBundleOld", "RecsysStatisticsOld"})),
]


def scrapes(case: Case) -> Iterator[tuple[int, Scrape]]:
    """What Prometheus has, every 15 seconds."""
    machines = (Machine(), Machine())
    for second in range(0, 60 * case.minutes + 1, case.step):
        case.story(machines, second)
        yield second, {**machines[0].scraped("a"), **machines[1].scraped("b")}


@functools.cache
def by_model(case: Case) -> dict[str, list[Labels]]:
    """Which rules fire at the end, and for what."""
    told = Told()
    since: dict[tuple[str, Labels], int] = {}
    for second, scrape in scrapes(case):
        told.add(second, scrape)
        active = {(rule["alert"], labels) for rule in RULES for labels in Query(rule["expr"], told).vector()}
        since = {one: since.get(one, second) for one in active}
    needed = {rule["alert"]: seconds_of(rule.get("for", "0s")) for rule in RULES}
    fired: dict[str, list[Labels]] = {}
    for (name, labels), first in since.items():
        if told.now - first >= needed[name]:
            fired.setdefault(name, []).append(frozenset(pair for pair in labels if pair[0] != "__name__"))
    return fired


def by_promtool(case: Case, folder: Path) -> None:
    """Have promtool evaluate the same, and say whether it finds what the model found; every rule is asked for."""
    series: dict[tuple[str, Labels], list[str]] = {}
    for number, (_, scrape) in enumerate(scrapes(case)):
        for key, value in scrape.items():
            values = series.setdefault(key, [])
            values.extend(["_"] * (number - len(values)) + [repr(value)])
        for values in series.values():
            values.extend(["stale"] * (number + 1 - len(values)))
    fired = by_model(case)
    expected = [
        {
            "eval_time": f"{case.minutes}m",
            "alertname": rule["alert"],
            "exp_alerts": [
                {"exp_labels": {**dict(labels), **rule["labels"]}, "exp_annotations": rule["annotations"]}
                for labels in fired.get(rule["alert"], [])
            ],
        }
        for rule in RULES
    ]
    inputs = [
        {
            "series": f"{name}{{{','.join(f'{a}={json.dumps(b)}' for a, b in sorted(labels))}}}",
            "values": " ".join(values),
        }
        for (name, labels), values in series.items()
    ]
    test = {"interval": f"{case.step}s", "input_series": inputs, "alert_rule_test": expected}
    file = folder / "test.yml"
    file.write_text(json.dumps({"rule_files": [str(FILE)], "evaluation_interval": f"{case.step}s", "tests": [test]}))
    done = subprocess.run(["promtool", "test", "rules", file], capture_output=True, text=True, check=False)  # noqa: S603, S607 - promtool, from the path
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("judge", JUDGES)
@pytest.mark.parametrize("case", CASES, ids=lambda case: re.sub(r"\W+", "-", case.name))
def test_who_is_told_of_what(case: Case, judge: str, tmp_path: Path) -> None:
    if judge == "promtool":
        by_promtool(case, tmp_path)
    else:
        assert by_model(case).keys() == case.alerts


def test_every_rule_has_a_story_in_which_it_fires() -> None:
    assert {rule["alert"] for rule in RULES} == set.union(*(set(case.alerts) for case in CASES))


def test_only_what_cannot_wait_wakes_somebody() -> None:
    pages = {rule["alert"] for rule in RULES if rule["labels"]["severity"] == "page"}
    assert pages == {"RecsysDown", "RecsysStoreErrors", "RecsysServerErrors", "RecsysClockJumped"}
