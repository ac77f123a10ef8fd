"""No stage reaches what it must not: by the linter, by what started commands load, and with planted violations."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from support.chain import AS_OF, EXAMPLE, POLICY, ROOT, Chain
from support.commands import run
from support.server import Server
from support.tokens import token

pytestmark = pytest.mark.slow  # the whole chain

PACKAGES = ("recsys", "pseudonymize", "training", "serving")
SHARED = "web"
FORBIDDEN = {
    "recsys": {"pseudonymize", "training", "serving", "implicit", "sklearn"},
    "pseudonymize": {"training", "serving", "onnxruntime", "implicit"},
    "training": {"pseudonymize", "serving"},
    "serving": {"pseudonymize", "training", "implicit", "sklearn", "scipy", "onnx", "altair"},
}
# Runs a command as its console script does, and writes down which modules it had loaded when it ended.
WATCHED = """
import atexit, json, pathlib, runpy, sys
target, module = sys.argv[1:3]
sys.path.insert(0, "")
sys.argv = sys.argv[2:]
atexit.register(lambda: pathlib.Path(target).write_text(json.dumps(sorted(sys.modules))))
runpy.run_module(module, run_name="__main__")
"""
PLANTED = {
    "recsys/top_k.py": "import pseudonymize",
    "recsys/guards/never.py": "import cryptography",
    "training/vocabulary.py": "import pseudonymize.vault",
    "training/registry/writing.py": "import cryptography",
    "recsys/decide.py": "import socket",
    "recsys/boosts.py": "import recsys.evaluation.ranking",
    "recsys/rank.py": "import recsys.contracts.evaluation_sets",
    "recsys/guards/age.py": "from recsys.contracts.evaluation_sets import DEMOGRAPHICS",
    "training/factorize.py": "import recsys.contracts.evaluation_sets",
    "training/features/own.py": "import recsys.contracts.evaluation_sets",
    "recsys/evaluation/policy_lab/lab.py": "import recsys.evaluation.policy_lab.groups",
    "serving/wire.py": "import implicit",
    "serving/clock.py": "import serving.app",
    "pseudonymize/keys.py": "import pseudonymize.run",
    "training/ends.py": "import training.fit",
    "serving/deciding.py": "import recsys.evaluation.ranking",
    "serving/app.py": "import training",
    "web/bodies.py": "import serving.stores",
    "training/windows.py": "import web.asking",
    "pseudonymize/canonical/text.py": "import serving",
}


def tree(folder: Path) -> Path:
    """A copy of the packages and their contracts."""
    for package in (*PACKAGES, SHARED):
        shutil.copytree(ROOT / package, folder / package, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", folder)
    return folder


def lint(folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603 - import-linter on a copy of our own tree
        [Path(sys.executable).with_name("lint-imports"), "--no-cache"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(folder)},
    )


def loaded(tmp_path: Path, module: str, *arguments: object, cwd: Path = ROOT) -> set[str]:
    """The top-level modules that a command had loaded when it ended."""
    target = tmp_path / "modules.json"
    done = subprocess.run(  # noqa: S603 - our own command, watched
        [sys.executable, "-c", WATCHED, str(target), module, *map(str, arguments)],
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(cwd)},
    )
    assert done.returncode == 0, done.stderr
    return {name.partition(".")[0] for name in json.loads(target.read_text())}


def test_the_linter_passes(tmp_path: Path) -> None:
    done = lint(tree(tmp_path))
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("place", PLANTED)
def test_the_linter_notices_a_planted_import(place: str, tmp_path: Path) -> None:
    file = tree(tmp_path) / place
    file.write_text(f"{file.read_text()}\n{PLANTED[place]}\n")
    done = lint(tmp_path)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "BROKEN" in done.stdout


def commands(chain: Chain, out: Path) -> dict[str, list[object]]:
    """One real command of each stage."""
    judged = ["--bundle", chain.bundle, "--trust", chain.trust, "--purchases", chain.purchases, "--as-of", AS_OF]
    fit = ["--purchases", chain.purchases, "--models", out / "m", "--name", "n", "--signing-key", chain.signing_key]
    gate = ["--fields", EXAMPLE / "fields.toml", "--vault", chain.vault, "--out", out / "r"]
    known = ["--purchases", chain.purchases, "--subjects", chain.subjects, "--catalogue", chain.catalogue]
    return {
        "recsys": ["topk", *judged, "--k", 5, "--out", out / "top.parquet"],
        "pseudonymize": ["run", *gate, chain.raw / "customers.csv"],
        "training": ["fit", *fit, "--profile", "test"],
        "serving": ["load", "--state", f"sqlite:///{out / 's.db'}", *known, "--guards", POLICY],
    }


@pytest.mark.parametrize("module", FORBIDDEN)
def test_a_started_command_loads_nothing_it_must_not(module: str, chain: Chain, tmp_path: Path) -> None:
    assert not loaded(tmp_path, module, *commands(chain, tmp_path)[module]) & FORBIDDEN[module]


def test_the_running_server_has_loaded_nothing_it_must_not(chain: Chain, tmp_path: Path) -> None:
    target = tmp_path / "modules.json"
    watched = ("-c", WATCHED, str(target), "serving")
    with Server(*chain.serve_options(), "--port", 0, command=watched, cwd=ROOT) as server:
        assert server.ask(token("nobody"))["fill"] == "none"
        assert server.stop() == 0
    names = {name.partition(".")[0] for name in json.loads(target.read_text())}
    assert "starlette" in names
    assert not names & FORBIDDEN["serving"]


def test_a_hidden_import_is_noticed_at_run_time(chain: Chain, tmp_path: Path) -> None:
    """The linter cannot see `importlib.import_module`; the watched process can."""
    file = tree(tmp_path / "tree") / "serving" / "__main__.py"
    plant = 'import importlib\nimportlib.import_module("pseudo" + "nymize")\n'
    file.write_text(
        file.read_text().replace("from __future__ import annotations\n", f"from __future__ import annotations\n{plant}")
    )
    assert lint(tmp_path / "tree").returncode == 0
    found = loaded(tmp_path, "serving", *commands(chain, tmp_path)["serving"], cwd=tmp_path / "tree")
    assert "pseudonymize" in found & FORBIDDEN["serving"]


def test_the_inference_library_writes_nothing_home(chain: Chain, tmp_path: Path) -> None:
    """Its telemetry would leave a device id and a database below the home folder."""
    home = tmp_path / "home"
    home.mkdir()
    done = run("recsys", *commands(chain, tmp_path)["recsys"], HOME=str(home), XDG_CACHE_HOME=str(home / "cache"))
    assert done.returncode == 0, done.stderr
    assert list(home.rglob("*")) == []


@pytest.mark.parametrize("module", PACKAGES)
def test_importing_a_main_module_starts_nothing(module: str) -> None:
    done = subprocess.run(  # noqa: S603 - this interpreter
        [sys.executable, "-c", f"import {module}.__main__"], capture_output=True, text=True, check=False, timeout=60
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_serving_runs_without_the_code_of_the_other_stages(chain: Chain, tmp_path: Path) -> None:
    for package in ("recsys", SHARED, "serving"):
        shutil.copytree(ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__"))
    script = (
        "import importlib.util, sys\n"
        f"sys.path = [{str(tmp_path)!r}] + [p for p in sys.path if p not in ('', {str(ROOT)!r})]\n"
        "assert importlib.util.find_spec('pseudonymize') is None\n"
        "assert importlib.util.find_spec('training') is None\n"
        "from serving.__main__ import main\n"
        "main()\n"
    )
    with Server(*chain.serve_options(), "--port", 0, command=("-P", "-c", script), cwd=tmp_path) as server:
        assert server.http.get("/health/ready").status_code == httpx.codes.OK
