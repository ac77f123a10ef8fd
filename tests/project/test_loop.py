"""The loop closed: four weeks through the real service, back into the dataset, a new bundle, and it serves.

Every step is a real command; the weeks pass by starting the service anew with a later clock.
"""

from __future__ import annotations

import datetime as dt
import json
import shutil
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from support.commands import run
from support.releases import order, released
from support.server import Server
from support.shop import AS_OF, EVERYTHING, NEWCOMER, TEST, Shop, build
from support.tokens import token

from recsys.registry import read_manifest

pytestmark = pytest.mark.slow  # four servers, two fits

CROWD = [token(number) for number in range(80)]
OPTED_OUT, ERASED = CROWD[3], CROWD[5]
WEEKS = [AS_OF + dt.timedelta(days=7 * week) for week in range(4)]
HOLDOUT = '\n[holdout]\nsalt = "loop-2017"\nempty = 0.2\npopular = 0.2\n'


@dataclass
class World:
    """Who lives in it, and what they did: kept here apart from all that the service keeps."""

    shop: Shop
    bought: list[tuple[str, str, dt.date]] = field(default_factory=list)

    @property
    def state(self) -> str:
        """The service's."""
        return f"sqlite:///{self.shop.folder / 'state.db'}"

    @property
    def dataset(self) -> Path:
        """The trainer's."""
        return self.shop.folder / "dataset"

    def people(self, week: int) -> list[str]:
        """Who is about."""
        return [name for name in (*CROWD[:60], NEWCOMER) if name != ERASED or week < 2]

    def serve(self, day: dt.date) -> Server:
        """The service on that day, with people held out."""
        guards = self.shop.folder / "loop.toml"
        guards.write_text(self.shop.guards.read_text() + HOLDOUT)
        options = [guards if option == self.shop.guards else option for option in self.shop.serve_options(self.state)]
        options[options.index("--now") + 1] = f"{day}T09:00:00Z"
        return Server(*options)

    def live(self, server: Server, week: int) -> None:
        """Offers are decided and shown, and people buy, mostly what they bought before."""
        rng, at, people = np.random.default_rng(week), f"{WEEKS[week]}T09:00:00Z", self.people(week)
        asked = [{"subject": name, "channel": "email", "count": 3} for name in people]
        response = server.http.post("/v1/decisions", json=asked)
        assert response.status_code == 200, response.text
        shown = [one for one in response.json() if one["items"]]
        assert len(shown) > len(people) / 2
        events: list[dict[str, object]] = [
            _event(f"shown.{week}.{number}", "exposure", one["subject"], at)
            | {"offer_id": one["items"][0]["offer_id"], "decision_id": one["decision_id"], "channel": "email"}
            for number, one in enumerate(shown)
        ]
        usual = pl.read_parquet(self.shop.file("purchases")).filter(~pl.col("item").str.starts_with("test"))
        for name in people:
            liked = usual.filter(subject=name)["item"].to_list() or ["milk-0", "bread-1", "tea-2"]
            for number, item in enumerate(rng.choice(liked, 4)):
                self.bought.append((name, str(item), WEEKS[week]))
                event = _event(f"till.{week}.{name[-6:]}.{number}", "purchase", name, at)
                events.append(event | {"item": str(item), "quantity": 1, "value": 2.5})
        told = server.tell(*events)
        assert (told["accepted"], told["rejected"]) == (len(events), [])


def _event(name: str, kind: str, subject: str, at: str) -> dict[str, object]:
    return {"event_id": name, "type": kind, "subject": subject, "at": at}


def done(module: str, *arguments: object) -> Any:  # noqa: ANN401 - what the command prints as JSON
    """Run a command; its line of JSON, if it was asked for."""
    ended = run(module, *arguments)
    assert ended.returncode == 0, ended.stderr
    return json.loads(ended.stdout) if "--json" in arguments else None


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """On the first Monday: what the gate released was learned from and loaded."""
    world = World(build(tmp_path_factory.mktemp("loop")))
    done("serving", *world.shop.load_options(world.state))
    tables = {name: pl.read_parquet(world.shop.file(name)) for name in ("purchases", "subjects")}
    done("training", "append", released(world.shop.folder / "first", tables), "--purchases", world.dataset)
    return world


def test_four_weeks_come_back_as_a_new_bundle_that_serves(world: World) -> None:
    folder, models = world.shop.folder, world.shop.bundle
    first = (models / "current").read_text().strip()
    for week in range(3):
        with world.serve(WEEKS[week]) as server:
            world.live(server, week)
            if week == 1:
                some_leave(world, server)
    with world.serve(WEEKS[3]) as server:
        world.live(server, 3)
        back_to_training(world)
        second = learned(world, first)
        assert server.ask(NEWCOMER)["model_version"] == f"small/{first}"
        judged_and_promoted(world, first, second)
        deadline = time.monotonic() + 60
        while server.ask(NEWCOMER)["model_version"] != f"small/{second}":
            assert time.monotonic() < deadline, "the promoted bundle was not followed"
            time.sleep(0.2)
        assert server.ask(CROWD[0])["items"]
    measured(world, folder / "uplift")


def some_leave(world: World, server: Server) -> None:
    """One takes the consent to training back; one is erased, by orders of the custodian to both recipients."""
    said = {"granted": False, "at": f"{WEEKS[1]}T09:00:00Z", "source": "app"}
    change = {"subject": OPTED_OUT, "consents": {"training": said}}
    assert server.http.put("/v1/preferences", json=change).status_code == 200
    assert server.http.post("/v1/subjects/erase", json={"subjects": [ERASED]}).json()["deleted"]["subjects"] == 1
    wanted, receipt = order(world.shop.folder / "order.json", ERASED), world.shop.folder / "receipt.json"
    places = ("--purchases", world.dataset, "--models", world.shop.bundle.parent, "--out", receipt)
    done("training", "forget", wanted, *places)


def back_to_training(world: World) -> None:
    """What the service was told becomes a release, which the dataset takes once, and holds nobody who left."""
    out = world.shop.folder / "weeks"
    window = ("--since", AS_OF, "--until", AS_OF + dt.timedelta(days=28))
    done("serving", "release", "--state", world.state, *window, "--out", out)
    lines = pl.read_parquet(out / "purchases.parquet")
    assert sorted(lines.select("subject", "item", "day").iter_rows()) == sorted(
        line for line in world.bought if line[0] != ERASED
    )
    appended = done("training", "append", out, "--purchases", world.dataset, "--json")
    assert (appended["new"], appended["suppressed"], appended["rows"]["purchases"]) == (True, {}, len(lines))
    shutil.rmtree(out)


def learned(world: World, first: str) -> str:
    """Fit on three of the weeks, so that the fourth can judge; the new version."""
    shop, until = world.shop, WEEKS[3]
    done(
        *("training", "fit", "--purchases", world.dataset, "--catalogue", shop.file("catalogue")),
        *("--guards", shop.guards, "--level", "type", "--models", shop.bundle.parent, "--name", shop.bundle.name),
        *("--signing-key", shop.folder / "signing.key", "--until", until, "--profile", "test"),
    )
    (second,) = {path.name for path in shop.bundle.iterdir() if path.is_dir()} - {first}
    data = read_manifest(shop.bundle / second).data
    lines = [*pl.read_parquet(shop.file("purchases")).select("subject", "item", "day").iter_rows(), *world.bought]
    stands = dict(pl.read_parquet(shop.file("subjects")).iter_rows())
    agreed = {name for name, consents in stands.items() if "training" in consents} - {OPTED_OUT, ERASED}
    kept = [line for line in lines if line[0] in agreed and line[2] < until and not line[1].startswith(TEST[:4])]
    assert (data.subjects, data.purchases) == (len({line[0] for line in kept}), len(kept))
    assert any(line[0] == NEWCOMER for line in kept)
    assert any(line[0] == OPTED_OUT and line[2] > WEEKS[1] for line in lines)  # who went on buying
    assert set(EVERYTHING) == set(stands[OPTED_OUT])  # and had agreed
    return second


def judged_and_promoted(world: World, first: str, second: str) -> None:
    """Both on the fourth week, which neither has seen; the gates are asked, and nothing is forced."""
    shop = world.shop
    for version in (first, second):
        done(
            *("recsys", "ranking", "--bundle", shop.bundle / version, "--trust", shop.trust),
            *("--purchases", world.dataset, "--as-of", WEEKS[3], "--horizon", 7, "--out", shop.folder / version),
        )
    results = [shop.folder / version / "ranking.json" for version in (first, second)]
    move = done(
        *("training", "promote", "--models", shop.bundle.parent, "--name", shop.bundle.name, "--version", second),
        *("--trust", shop.trust, "--results", results[0], "--results", results[1]),
        *("--release", world.dataset, "--json"),
    )
    assert [gate["passed"] for gate in move["gates"]] == [True] * 3


def measured(world: World, out: Path) -> None:
    """The logs of four weeks make an uplift report over everybody who was decided for and stays."""
    folder = world.shop.folder
    done("serving", "audit", "export", "--state", world.state, "--out", folder / "decisions.parquet")
    done("serving", "export", "events", "--state", world.state, "--out", folder / "events.parquet")
    logs = ("--decisions", folder / "decisions.parquet", "--events", folder / "events.parquet")
    done("recsys", "uplift", *logs, "--out", out)
    arms = {one["arm"]: one["subjects"] for one in json.loads((out / "uplift.json").read_text())["arms"]}
    assert set(arms) == {"empty", "popular", "personal"}
    assert sum(arms.values()) == len(world.people(3))
    for name in ("decisions", "events"):
        assert ERASED not in pl.read_parquet(folder / f"{name}.parquet")["subject"]
