"""The registry: gates, the journal, the way back, and what is damaged or killed on the way."""

from __future__ import annotations

import datetime as dt
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import msgspec
import pytest
from support.commands import no_leftovers
from support.tastes import DAYS, FIRST_DAY, Shop, Train

from recsys.bundle import load_bundle
from recsys.contracts.manifest import Level
from recsys.contracts.release import Release, fingerprint
from recsys.contracts.runs import RunModel, RunWindow, SplitKind
from recsys.evaluation.intervals import Estimate
from recsys.evaluation.results import Figure, JudgedPurchases, JudgedRun, JudgedWindow, RankingResult
from recsys.files import sha256_of
from training.registry.journal import Action, moves, previous_version
from training.registry.moving import Place, rollback

pytestmark = pytest.mark.slow  # fitted bundles

NAME = "shop"


@pytest.fixture(scope="module")
def fitted_models(shop: Shop, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str], Path]:
    """Three versions from a release, the first of them current; and the release."""
    folder: Path = tmp_path_factory.mktemp("registry")
    release = folder / "release"
    release.mkdir()
    shutil.copy(shop.purchases, release / "purchases.parquet")
    files = {"purchases.parquet": sha256_of(shop.purchases)}
    written = Release(
        domain="rec",
        epoch="01",
        field_policy="0" * 64,
        guard_policy=None,
        fingerprint=fingerprint(files),
        files=files,
        rows={},
        dropped={},
    )
    (release / "release.json").write_bytes(msgspec.json.encode(written))
    versions = []
    for days in (60, 75, DAYS):
        until = FIRST_DAY + dt.timedelta(days=days)
        options = shop.options(folder / "models", purchases=release, name=NAME, until=until)
        command = [sys.executable, "-m", "training", "fit", *options, "--json"]
        done = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603 - our own command
        versions.append(json.loads(done.stdout)["version"])
    return folder / "models", versions, release


@pytest.fixture
def models(fitted_models: tuple[Path, list[str], Path], tmp_path: Path) -> Path:
    shutil.copytree(fitted_models[0], tmp_path / "models")
    return tmp_path / "models"


@pytest.fixture
def versions(fitted_models: tuple[Path, list[str], Path]) -> list[str]:
    return fitted_models[1]


@pytest.fixture
def release(fitted_models: tuple[Path, list[str], Path]) -> Path:
    return fitted_models[2]


def result(models: Path, version: str, mixed: float, novel: float = 0.1, **changed: Any) -> Path:  # noqa: ANN401 - parts of a document
    """A result file as `recsys-evaluate ranking` writes it, beside the models."""
    day = FIRST_DAY + dt.timedelta(days=DAYS)
    model = RunModel(name="bundle", role="candidate", title="this", about="…", learned=True, trials=0)
    window = RunWindow(name=day.isoformat(), as_of=day, horizon=28)
    values = {"mixed": mixed, "novel": novel}
    made = RankingResult(
        run=JudgedRun(
            candidate=f"{NAME}/{version}",
            bundle=sha256_of(models / NAME / version / "manifest.json"),
            until=day,
            level=Level.ITEM,
            split=SplitKind.TIME,
            k=10,
            models=(model,),
        ),
        purchases=JudgedPurchases(
            fingerprint="a" * 64, domain="rec", epoch="01", lines=1, first_day=FIRST_DAY, last_day=day
        ),
        windows=(
            JudgedWindow(window=window, days_covered=28, items=9, new_subjects=0, unknown_items=0, unknown_share=0.0),
        ),
        seed=0,
        resamples=1,
        figures=tuple(
            Figure(
                window=None,
                task=task,
                segment="all",
                model="bundle",
                metric="ndcg",
                subjects=50,
                estimate=Estimate(value, value, value),
            )
            for task, value in values.items()
        ),
        differences=(),
        coverage=(),
    )
    for part in ("run", "purchases"):
        made = msgspec.structs.replace(
            made, **{part: msgspec.structs.replace(getattr(made, part), **changed.pop(part, {}))}
        )
    path = models.parent / f"{version}-{mixed}.json"
    path.write_bytes(msgspec.json.encode(msgspec.structs.replace(made, **changed)))
    return path


def options(models: Path, shop: Shop, version: str, *results: Path, release: Path | None = None) -> list[object]:
    return [
        *("promote", "--models", models, "--name", NAME, "--version", version, "--trust", shop.trust),
        *(word for path in results for word in ("--results", path)),
        *(() if release is None else ("--release", release)),
        "--json",
    ]


def current(models: Path) -> str:
    return (models / NAME / "current").read_text().strip()


def test_a_version_that_passes_serves_and_the_journal_says_why(
    models: Path, versions: list[str], release: Path, shop: Shop, train: Train
) -> None:
    new, old = result(models, versions[2], 0.55), result(models, versions[0], 0.56)
    done = train(*options(models, shop, versions[2], new, old, release=release))
    assert done.returncode == 0, done.stderr
    assert current(models) == versions[2]
    assert load_bundle(models / NAME, trust=shop.trust).manifest.version == versions[2]
    (move,) = moves(models / NAME)
    assert (move.action, move.version, move.before) == (Action.PROMOTE, versions[2], versions[0])
    assert not move.forced
    assert [(gate.name, gate.passed) for gate in move.gates] == [("parity", True), ("release", True), ("quality", True)]
    assert move.results == (sha256_of(new), sha256_of(old))
    assert done.json["version"] == versions[2]
    shown = train("show", "--models", models, "--name", NAME)
    assert f"promote {versions[2]}" in shown.stderr
    assert versions[2] in shown.stdout


OTHER = {"bundle": "0" * 64}
SEEN = JudgedWindow(
    window=RunWindow(name="seen", as_of=FIRST_DAY + dt.timedelta(days=DAYS - 1), horizon=28),
    days_covered=28,
    items=9,
    new_subjects=0,
    unknown_items=0,
    unknown_share=0.0,
)
FAILING = {
    "no results": ((), True, "no result of shop/"),
    "no result of what serves": (((2, 0.55, {}),), True, "of what serves: no result"),
    "worse": (((2, 0.54, {}), (0, 0.56, {})), True, "0.5400 against 0.5600"),
    "worse at one task": (((2, 0.56, {"novel": 0.09}), (0, 0.56, {})), True, "novel 0.0900 against 0.1000"),
    "other windows": (((2, 0.56, {"windows": ()}), (0, 0.56, {})), True, "not of the same purchases, windows"),
    "other bytes": (((2, 0.55, {"run": OTHER}), (0, 0.56, {})), True, "is of other bytes than those"),
    "other bytes of what serves": (((2, 0.55, {}), (0, 0.5, {"run": OTHER})), True, "of what serves: the result"),
    "another domain": (((2, 0.55, {"purchases": {"domain": "shop"}}), (0, 0.56, {})), True, "of domain shop, not rec"),
    "a window it has seen": (((2, 0.55, {"windows": (SEEN,)}), (0, 0.5, {"windows": (SEEN,)})), True, "trained on"),
    "no figures": (((2, 0.56, {"figures": ()}), (0, 0.56, {"figures": ()})), True, "not of the same tasks"),
    "no release": (((2, 0.56, {}), (0, 0.56, {})), False, "no release was named"),
}


@pytest.mark.parametrize("name", FAILING)
def test_what_does_not_pass_does_not_serve(
    models: Path, fitted_models: tuple[Path, list[str], Path], shop: Shop, train: Train, name: str
) -> None:
    _, versions, release = fitted_models
    given, with_release, message = FAILING[name]
    paths = [result(models, versions[number], mixed, **changed) for number, mixed, changed in given]
    asked = options(models, shop, versions[2], *paths, release=release if with_release else None)
    done = train(*asked)
    assert done.returncode == 1
    assert message in done.stderr
    assert current(models) == versions[0]
    assert moves(models / NAME) == ()
    assert train(*asked, "--force").returncode == 2  # without a reason
    assert train(*asked, "--force", "--reason", " ").returncode == 2
    assert current(models) == versions[0]
    forced = train(*asked, "--force", "--reason", "the tills are waiting")
    assert forced.returncode == 0, forced.stderr
    (move,) = moves(models / NAME)
    assert (move.forced, move.reason, current(models)) == (True, "the tills are waiting", versions[2])


def test_a_release_that_it_was_not_learned_from_does_not_count(
    models: Path, versions: list[str], release: Path, shop: Shop, train: Train, tmp_path: Path
) -> None:
    other = tmp_path / "release.json"
    other.write_bytes((release / "release.json").read_bytes() + b"\n")
    paths = [result(models, versions[number], 0.56) for number in (2, 0)]
    done = train(*options(models, shop, versions[2], *paths, release=other))
    assert done.returncode == 1
    assert "not the one that it was learned from" in done.stderr


def test_the_way_back_is_the_one_that_was_come(
    models: Path, versions: list[str], release: Path, shop: Shop, train: Train
) -> None:
    asked = ("--models", models, "--name", NAME, "--trust", shop.trust)
    assert train("rollback", *asked).returncode == 1  # nothing was promoted yet
    for number in (1, 2):
        paths = [result(models, versions[which], 0.5) for which in (number, number - 1)]
        assert train(*options(models, shop, versions[number], *paths, release=release)).returncode == 0
    assert previous_version(models / NAME) == versions[1]
    assert train("rollback", *asked, "--reason", "complaints").returncode == 0
    assert current(models) == versions[1]
    assert train("rollback", *asked).returncode == 0  # and one further
    assert current(models) == versions[0]
    assert train("rollback", *asked).returncode == 1
    assert train("rollback", *asked, "--version", versions[2]).returncode == 0
    assert [move.action for move in moves(models / NAME)] == ["promote", "promote", "rollback", "rollback", "rollback"]
    assert moves(models / NAME)[2].reason == "complaints"


def test_a_damaged_bundle_neither_serves_nor_passes_the_check(
    models: Path, versions: list[str], release: Path, shop: Shop, train: Train
) -> None:
    graph = models / NAME / versions[2] / "model.onnx"
    graph.write_bytes(graph.read_bytes()[:-1])
    paths = [result(models, versions[number], 0.5) for number in (2, 0)]
    asked = options(models, shop, versions[2], *paths, release=release)
    for words in (asked, [*asked, "--force", "--reason", "now"]):
        done = train(*words)
        assert done.returncode == 1
        assert "changed after it was signed" in done.stderr
    with pytest.raises(Exception, match="changed after it was signed"):
        rollback(Place(models / NAME, shop.trust), versions[2], None, now=dt.datetime.now(dt.UTC))
    done = train("verify", "--models", models, "--trust", shop.trust, "--json")
    assert done.returncode == 1
    assert list(done.json["wrong"]) == [f"{NAME}/{versions[2]}"]
    shutil.rmtree(models / NAME / versions[2])
    assert train("verify", "--models", models, "--trust", shop.trust).returncode == 0
    (models / NAME / "current").write_text(versions[2])
    assert "current: names a version" in train("verify", "--models", models, "--trust", shop.trust).stderr


def test_pruning_leaves_what_is_needed(
    models: Path, versions: list[str], release: Path, shop: Shop, train: Train
) -> None:
    asked = ("prune", "--models", models, "--name", NAME, "--keep", 1, "--json")
    assert train(*asked, "--dry-run").json == {"deleted": [], "kept": versions}
    paths = [result(models, versions[number], 0.5) for number in (1, 0)]
    assert train(*options(models, shop, versions[1], *paths, release=release)).returncode == 0
    assert train(*asked).json == {"deleted": [], "kept": versions}  # current, before it, and the newest
    paths = [result(models, versions[number], 0.5) for number in (2, 1)]
    assert train(*options(models, shop, versions[2], *paths, release=release)).returncode == 0
    assert train(*asked).json == {"deleted": versions[:1], "kept": versions[1:]}
    assert no_leftovers(models)


def test_list_and_diff_tell_what_there_is(models: Path, versions: list[str], shop: Shop, train: Train) -> None:
    done = train("list", "--models", models, "--json")
    listed = json.loads(done.stdout)
    assert [(one["name"], one["version"], one["current"]) for one in listed] == [
        (NAME, version, version == versions[0]) for version in versions
    ]
    (models / NAME / versions[1] / "manifest.json").write_text("{}")
    assert [one["readable"] for one in json.loads(train("list", "--models", models, "--json").stdout)] == [
        True,
        False,
        True,
    ]
    asked = ("--models", models, "--name", NAME, "--trust", shop.trust, "--from", versions[0], "--to", versions[2])
    found = {
        (c["part"], c["name"]): (c["before"], c["after"]) for c in json.loads(train("diff", *asked, "--json").stdout)
    }
    assert found["data", "until"] == tuple((FIRST_DAY + dt.timedelta(days=days)).isoformat() for days in (60, DAYS))
    assert ("files", "model.onnx") in found
    assert ("configuration", "factors") not in found


@pytest.mark.parametrize("version", ["../shop", "..", ".", "", "20240101-00000000", "/"])
def test_a_version_leads_to_no_other_folder(models: Path, shop: Shop, train: Train, version: str) -> None:
    done = train(*options(models, shop, version))
    assert done.returncode == 1
    assert "has no such version" in done.stderr


def test_killed_at_any_moment_one_whole_version_is_current(models: Path, versions: list[str], shop: Shop) -> None:
    """Moves to and fro in a process that is killed; `current` always names a version that loads."""
    script = (
        "import datetime as dt, itertools, sys\n"
        "from pathlib import Path\n"
        "from training.registry.moving import Place, rollback\n"
        "place = Place(Path(sys.argv[1]), Path(sys.argv[2]))\n"
        "for version in itertools.cycle(sys.argv[3:]):\n"
        "    rollback(place, version, None, now=dt.datetime.now(dt.UTC))\n"
        "    print(version, flush=True)\n"
    )
    for wait in (0.0, 0.01):
        words = [sys.executable, "-c", script, str(models / NAME), str(shop.trust), versions[2], versions[0]]
        with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:  # noqa: S603 - our own script
            assert process.stdout is not None
            process.stdout.readline()
            time.sleep(wait)
            os.kill(process.pid, signal.SIGKILL)
        assert load_bundle(models / NAME, trust=shop.trust).manifest.version in versions
        made = moves(models / NAME)
        assert current(models) in {made[-1].version, made[-1].before}
        rollback(Place(models / NAME, shop.trust), versions[1], None, now=dt.datetime.now(dt.UTC))
        rollback(Place(models / NAME, shop.trust), versions[0], None, now=dt.datetime.now(dt.UTC))
