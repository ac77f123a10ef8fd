"""Every household of Complete Journey before every offer of the decision week, judged twice."""

from __future__ import annotations

import datetime as dt
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
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
from support.agreement import scores, seeds, situation, unlike
from support.chain import AS_OF, EXAMPLE, ROOT
from support.dice import Seeded
from support.oracle import RULES, Oracle
from support.oracle_lists import Lists
from support.states import make_state
from support.worlds import Person, World

NOW = dt.datetime.fromisoformat(f"{AS_OF}T09:00:00+00:00")
_CHANNEL = "email"
_COUNT = 10


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


def judge_households(folder: Path, policy: Path, *, households: int | None = None) -> list[Tally]:
    """Judge them as they are, and once more with an invented past of exposures, answers and dismissals."""
    if not (folder / "release").exists():
        make_files(folder, policy)
    world = read_world(folder, policy, households)
    return [_judge("as they are", world), _judge("with an invented past", with_past(world))]


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
        done = subprocess.run(map(str, command), cwd=ROOT, check=False, capture_output=True, text=True)  # noqa: S603 - our own commands
        if done.returncode:
            raise RuntimeError(done.stderr)


def read_world(folder: Path, policy: Path, households: int | None = None) -> World:
    """The households as a world, with scores drawn at random: no guard sees one."""
    catalogue = CATALOGUE.read(folder / "raw" / "catalogue.parquet")
    offers = _complete(OFFERS.read(folder / "raw" / "offers.parquet"))
    subjects = SUBJECTS.read(folder / "release" / "subjects.parquet").sort("subject").head(households or 10**9)
    rows = pl.read_parquet(folder / "release" / "purchases.parquet", columns=["subject", "item", "day", "quantity"])
    rows = rows.filter(pl.col("day") < NOW.date())
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
    draw = np.random.default_rng(0).integers(0, 1 << 12, (len(people) + 1, len(offers))) / 1024
    return World(
        NOW, load_policy(policy), catalogue, offers, people, tuple(draw[:-1].tolist()), tuple(draw[-1].tolist())
    )


def with_past(world: World) -> World:
    """The same households after a season of invented exposures, answers, reservations and dismissals."""
    offers = world.offers.select("offer_id", "items").rows()
    paths = dict(world.catalogue.select("item", "category").iter_rows())
    categories = {name: tuple(sorted({paths[item] for item in items if paths.get(item)})) for name, items in offers}
    items, ids = tuple(paths), tuple(categories)
    people = []
    for number, person in enumerate(world.people):
        dice = Seeded(number)
        seen = tuple(ids[dice.below(len(ids))] for _ in range(40))
        past = make_state(dice, world.now, items, seen)
        changes: dict[str, object] = {"dismissals": past.dismissals, "responses": past.responses}
        for name in ("exposures", "reservations"):
            rows = getattr(past, name)
            changes[name] = tuple(_with_categories(row, categories.get(row.offer_id, ())) for row in rows)
        people.append(person.with_state(**changes))
    return world.with_people(tuple(people))


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
