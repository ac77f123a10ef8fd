"""Every household of Complete Journey before every offer of the test weeks, judged on each of their Mondays."""

from __future__ import annotations

import datetime as dt
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field, replace
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import polars as pl

from recsys.contracts.catalogue import CATALOGUE
from recsys.contracts.decision import DecisionRequest
from recsys.contracts.offers import OFFERS
from recsys.contracts.state import State
from recsys.contracts.subjects import SUBJECTS
from recsys.decide import Ranking, rank
from recsys.guards import GUARDS
from recsys.policy import load_policy
from recsys.policy.document import Holdout
from support.agreement import scores, seeds, situation, unlike
from support.chain import AS_OF, EXAMPLE, ROOT
from support.dice import Seeded
from support.oracle import RULES, Oracle
from support.oracle_lists import Lists
from support.policies import changed
from support.states import make_state
from support.worlds import Person, World

FIRST = dt.datetime.fromisoformat(f"{AS_OF}T09:00:00+00:00")
MONDAYS = tuple(FIRST + dt.timedelta(weeks=number) for number in range(4))
HOLDOUT = Holdout(salt="the lots of the proof", empty=0.05, popular=0.05)
_CHANNEL = "email"
_COUNT = 10
_AT_ONCE = 200  # households that are judged together, in one process


@dataclass
class Tally:
    """What came of it. Counts are of (household, offer) pairs."""

    label: str
    households: int = 0
    offers: int = 0
    first: Counter[str] = field(default_factory=Counter)
    every: Counter[str] = field(default_factory=Counter)
    met: Counter[str] = field(default_factory=Counter)
    shown: int = 0
    violations: int = 0
    fills: Counter[str] = field(default_factory=Counter)
    differences: list[str] = field(default_factory=list)
    seconds: float = 0.0

    def figures(self) -> list[tuple[str, ...]]:
        """Rows of a table."""
        pairs = self.households * self.offers
        fills = ", ".join(f"{name} {count:,}" for name, count in sorted(self.fills.items()))
        return [
            ("households x offers", f"{self.households:,} x {self.offers:,} = {pairs:,}"),
            ("verdicts compared", f"{pairs * len(RULES):,}"),
            ("whole decisions compared", f"{self.households:,}: {fills}"),
            ("differences", f"{len(self.differences):,}"),
            ("offers shown", f"{self.shown:,}"),
            ("of which the oracle withholds", f"{self.violations:,}"),
            ("seconds, one core", f"{self.seconds:,.0f}"),
        ]

    def rules(self) -> list[tuple[str, ...]]:
        """Guard, pairs that it withheld first, pairs that it withheld, households that met it."""
        rows = [(rule, self.first[rule], self.every[rule], self.met[rule]) for rule in RULES]
        rows.append(("*none: allowed*", self.first[""], self.first[""], self.met[""]))
        return [(rule, *(f"{count:,}" for count in counts)) for rule, *counts in rows]

    def add(self, other: Tally) -> None:
        """Count what came of further households."""
        self.households += other.households
        self.offers = other.offers
        for mine, more in ((self.first, other.first), (self.every, other.every), (self.met, other.met)):
            mine.update(more)
        self.fills.update(other.fills)
        self.differences += other.differences
        self.shown += other.shown
        self.violations += other.violations
        self.seconds += other.seconds


@dataclass(frozen=True)
class Files:
    """Where the real data lie.

    Args:
        data: With raw/ and release/.
        weeks: With a folder of raw files for each Monday.
        policy: The policy.
        households: Judge only so many; None: all.
    """

    data: Path
    weeks: Path
    policy: Path
    households: int | None = None

    def offers(self) -> pl.DataFrame:
        """The offers of all test weeks, each once."""
        paths = [self.weeks / f"{monday:%Y-%m-%d}" / "offers.parquet" for monday in MONDAYS]
        every = pl.concat([OFFERS.read(path) for path in paths])
        return _complete(every.unique("offer_id", keep="first", maintain_order=True))

    def subjects(self) -> pl.DataFrame:
        """Who is judged, and what they agreed to."""
        return SUBJECTS.read(self.data / "release" / "subjects.parquet").sort("subject").head(self.households or 10**9)


def judge_households(files: Files) -> list[Tally]:
    """Judge them as they are on each Monday, and on the last one with an invented past."""
    if not (files.data / "release").exists():
        make_files(files.data, files.policy)
    _make_weeks(files)
    starts = range(0, files.subjects().height, _AT_ONCE)
    asked = [(monday, False) for monday in MONDAYS] + [(MONDAYS[-1], True)]
    jobs = [(files, *each, start) for each in asked for start in starts]
    tallies: dict[str, Tally] = {}
    with ProcessPoolExecutor(mp_context=get_context("spawn")) as pool:
        for part in pool.map(_judge_some, jobs):
            tallies.setdefault(part.label, Tally(part.label)).add(part)
    return list(tallies.values())


def _judge_some(job: tuple[Files, dt.datetime, bool, int]) -> Tally:
    files, monday, invented, start = job
    world = read_world(files, monday, start)
    day = f"{monday:%Y-%m-%d}"
    return _judge(f"{day}, with an invented past", with_past(world, start)) if invented else _judge(day, world)


def make_files(folder: Path, policy: Path) -> None:
    """Run the example and the gate."""
    folder.mkdir(parents=True, exist_ok=True)
    raw, vault = folder / "raw", folder / "vault"
    gate = (sys.executable, "-m", "pseudonymize")
    files = [raw / name for name in ("customers.csv", "receipts.parquet")]
    commands = [
        (sys.executable, EXAMPLE / "prepare.py", "--out", raw),
        (*gate, "keys", "init", "--vault", vault),
        (
            *(*gate, "run", "--fields", EXAMPLE / "fields.toml", "--vault", vault, "--guards", policy),
            *("--catalogue", raw / "catalogue.parquet", "--out", folder / "release", *files),
        ),
    ]
    for command in commands:
        _run(*command)


def _make_weeks(files: Files) -> None:
    for monday in MONDAYS:
        week = files.weeks / f"{monday:%Y-%m-%d}"
        if not week.exists():
            week.parent.mkdir(parents=True, exist_ok=True)
            _run(sys.executable, EXAMPLE / "prepare.py", "--week-of", week.name, "--out", week)


def _run(*command: object) -> None:
    done = subprocess.run(map(str, command), cwd=ROOT, check=False, capture_output=True, text=True)  # noqa: S603 - our own commands
    if done.returncode:
        raise RuntimeError(done.stderr)


def read_world(files: Files, monday: dt.datetime, start: int = 0) -> World:
    """Some of the households as a world, with scores drawn at random: no guard sees one."""
    subjects, offers = files.subjects().slice(start, _AT_ONCE), files.offers()
    rows = pl.scan_parquet(files.data / "release" / "purchases.parquet").select("subject", "item", "day", "quantity")
    rows = rows.filter(pl.col("day") < monday.date(), pl.col("subject").is_in(subjects["subject"].implode())).collect()
    lines: dict[str, list[tuple[str, dt.date, float]]] = {}
    for subject, *line in rows.iter_rows():
        lines.setdefault(subject, []).append(tuple(line))
    people = tuple(
        Person(
            tuple(lines.get(row["subject"], ())),
            State(consents=frozenset(row["consents"]), adult=row["adult"], interests=tuple(row.get("interests") or ())),
            DecisionRequest(subject=row["subject"], channel=_CHANNEL, count=_COUNT),
        )
        for row in subjects.iter_rows(named=True)
    )
    draw = np.random.default_rng(start).integers(0, 1 << 12, (len(people) + 1, len(offers))) / 1024
    return World(
        monday,
        load_policy(files.policy),
        CATALOGUE.read(files.data / "raw" / "catalogue.parquet"),
        offers,
        people,
        tuple(draw[:-1].tolist()),
        tuple(draw[-1].tolist()),
    )


def with_past(world: World, start: int = 0) -> World:
    """The same households after a season of invented exposures, answers, reservations and dismissals.

    A tenth of them is held out, a fifth is no longer known to be of age, and offers are out of stock or for other
    channels and placements.
    """
    world = replace(world, offers=_restricted(world.offers), policy=changed(world.policy, holdout=HOLDOUT))
    offers = world.offers.select("offer_id", "items").rows()
    paths = dict(world.catalogue.select("item", "category").iter_rows())
    categories = {name: tuple(sorted({paths[item] for item in items if paths.get(item)})) for name, items in offers}
    items, ids = tuple(paths), tuple(categories)
    people = []
    for number, person in enumerate(world.people, start=start):
        dice = Seeded(number)
        seen = tuple(ids[dice.below(len(ids))] for _ in range(40))
        past = make_state(dice, world.now, items, seen)
        changes: dict[str, object] = {"dismissals": past.dismissals, "responses": past.responses}
        for name in ("exposures", "reservations"):
            rows = getattr(past, name)
            changes[name] = tuple(_with_categories(row, categories.get(row.offer_id, ())) for row in rows)
        if number % 5 == 0:
            changes["adult"] = None
        people.append(person.with_state(**changes))
    return world.with_people(tuple(people))


def _restricted(offers: pl.DataFrame) -> pl.DataFrame:
    """Every tenth offer out of stock, every tenth for another channel, every tenth for a placement that nobody asks."""
    number = pl.int_range(pl.len()) % 10
    return offers.with_columns(
        stock=pl.when(number == 0).then(0).otherwise(pl.col("stock")).cast(offers.schema["stock"]),
        channels=pl.when(number == 1).then(pl.lit(["till"])).otherwise(pl.col("channels")),
        placements=pl.when(number == 2).then(pl.lit(["top"])).otherwise(pl.col("placements")),
    )


def _with_categories(row: object, categories: tuple[str, ...]) -> object:
    kept = {name: getattr(row, name) for name in row.__struct_fields__}
    return type(row)(**{**kept, "categories": categories})


def _complete(offers: pl.DataFrame) -> pl.DataFrame:
    missing = [column for column in OFFERS.columns if column.name not in offers.columns]
    return offers.with_columns(pl.lit(None, column.dtype).alias(column.name) for column in missing)


def _judge(label: str, world: World) -> Tally:
    start, oracle = time.perf_counter(), Oracle(world)
    now, lists = situation(world), Lists(oracle)
    tally = Tally(label, len(world.people), len(oracle.offers))
    masks = np.array([GUARDS[rule](now) for rule in RULES])
    for row, ranking in enumerate(rank(now, scores(world, oracle), seeds(world))):
        _judge_verdicts(tally, oracle, row, masks[:, row])
        tally.fills[str(ranking.fill)] += 1
        tally.differences += unlike(lists.decision(row), ranking, now, row)
        tally.violations += sum(_wrongly_shown(oracle, row, ranking))
        tally.shown += len(ranking.offers)
    tally.seconds = time.perf_counter() - start
    return tally


def _judge_verdicts(tally: Tally, oracle: Oracle, row: int, masks: np.ndarray) -> None:
    met = set()
    for column, offer in enumerate(oracle.offers):
        expected = oracle.verdicts(oracle.world.people[row], offer)
        got = [rule for rule, withheld in zip(RULES, masks[:, column], strict=True) if withheld]
        tally.first[expected[0] if expected else ""] += 1
        tally.every.update(expected)
        met.update(expected or [""])
        if got != expected:
            tally.differences.append(f"household {row}, offer {offer['offer_id']}: expected {expected}, got {got}")
    tally.met.update(met)


def _wrongly_shown(oracle: Oracle, row: int, ranking: Ranking) -> Iterator[bool]:
    for offer in ranking.offers:
        yield bool(oracle.verdicts(oracle.world.people[row], oracle.offers[offer]))
