"""How much would the tests notice? Change the guards in one place at a time, and see who says so.

    make mutants

Each mutant first meets the oracle: worlds from a seed, with verdicts, whole decisions, what may be learned from, and
reasons, each held against plain loops. What lives through that meets the tests of its module, in a process that has
imported everything but what a mutant may be in. What lives through both is listed. Every mutant is a line in the work
folder's log, so that a stopped run goes on where it was; a log belongs to one state of a module.
"""

from __future__ import annotations

import ast
import hashlib
import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import multiprocessing
import os
import resource
import signal
import sys
import time
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from types import FrameType, ModuleType
from typing import Annotated, Final

import msgspec
import pytest
import typer
from hypothesis import Phase, settings
from support.chain import ROOT
from support.mutation import Mutant, mutants
from support.oracle import Offer, Oracle
from support.policies import changed
from support.worlds import LARGE, SMALL, Person, Size, World, seeded_world

from recsys.console import new_app, run, say, screen
from recsys.policy.document import Exploration, ExplorationKind

app = new_app("Change the guards in one place at a time, and see whether the tests notice.")

MODULES: Final = {
    "decide": ("test_recommender", "test_reasons"),
    "rank": ("test_guard_edges", "test_guards_together", "test_exploration"),
    "top_k": ("test_top_k",),
    "explain": ("test_explain", "test_recommender"),
    "candidate_map": ("test_pooling", "test_recommender"),
    "pooling": ("test_pooling", "test_recommender"),
    "purchase_keys": ("test_guard_edges", "test_awkward"),
    "explore": ("test_exploration",),
    "boosts": ("test_guard_edges",),
    "constraints/tally": ("test_list_constraints", "test_guard_edges"),
    "constraints/list_rules": ("test_list_constraints", "test_guard_edges"),
    "constraints/frequency_cap": ("test_list_constraints", "test_guard_edges"),
    "guards/only_if_purchased": ("test_guard_edges", "test_guards_together"),
    "guards/past_purchase_trap": ("test_guard_edges", "test_guards_together"),
    "guards/cool_down": ("test_guard_edges",),
    "guards/purchase_runs": ("test_guard_edges", "test_guards_together", "test_awkward"),
    "guards/situation": ("test_arms", "test_guard_edges", "test_recommender"),
    "guards/fatigue": ("test_guard_edges", "test_guards_together"),
    "guards/dismissal": ("test_guard_edges", "test_awkward"),
    "guards/eligibility": ("test_guard_edges", "test_awkward"),
    "guards/age": ("test_guard_edges",),
    "guards/consent": ("test_guard_edges",),
    "guards/holdout": ("test_arms",),
}
_SIZES: Final = ((SMALL, 60), (LARGE, 25), (Size(people=12, offers=8, items=10, lines=14), 15))
_REASONED: Final = Size(people=8, offers=12, items=10, lines=25)
_EXPLORING: Final = (
    Exploration(kind=ExplorationKind.PLACKETT_LUCE, temperature=0.5),
    Exploration(kind=ExplorationKind.EPSILON, epsilon=0.5),
)
# What a mutant cannot be in stays as it is; worlds and their oracles hold its values.
_KEPT: Final = (
    "recsys.contracts",
    "recsys.policy",
    "recsys.errors",
    "recsys.files",
    "recsys.console",
    "recsys.runtime",
)
_AGREEING: Final = ("support.agreement", "support.reasoning")
_WARM: Final = ("__main__", "numpy", "polars", "onnxruntime", "hypothesis.extra.numpy", "_hypothesis_pytestplugin")
_Case = tuple[int, World, Oracle, bool]
_TEST_SECONDS: Final = 120  # of the processor; the tests of a module take less than 20


class Line(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What became of one mutant. `noticed`: by "oracle" or "tests"; None: it lives."""

    module: str
    sha256: str
    number: int
    line: int
    what: str
    noticed: str | None


@app.command()
def prove(
    modules: Annotated[list[str] | None, typer.Argument(help="Such as rank or guards/age; all, if none.")] = None,
    work: Annotated[Path, typer.Option("--work", help="Where log and copy of the tree lie.")] = Path("build/mutants"),
    minutes: Annotated[float, typer.Option("--minutes", help="Stop after so many; run again to go on.")] = 60.0,
) -> None:
    """Try every mutant, and print how many live, and which.

    Example: `PYTHONPATH=tests:. python tests/prove/prove_mutants.py top_k pooling`
    """
    work.mkdir(parents=True, exist_ok=True)
    end = time.monotonic() + 60 * minutes
    signal.signal(signal.SIGPROF, _too_long)
    _forking().set_forkserver_preload([*_WARM])
    bench = _Bench(work)
    for module in modules or MODULES:
        lines = []
        for line in bench.tried(module):
            lines.append(line)
            if time.monotonic() > end:
                say(f"{module} is not done; run it again to go on.")
                return
        alive = [line for line in lines if line.noticed is None]
        screen.print(f"{module}: {len(lines)} mutants, {len(alive)} alive")
        for line in alive:
            screen.print(f"    {line.line}: {line.what}", markup=False, highlight=False)


class _Bench:
    """Tries mutants one after the other."""

    def __init__(self, work: Path) -> None:
        self._log = work / "log.jsonl"
        self._worlds = [*_worlds()]
        started = time.process_time()
        if not self._agree():
            raise SystemExit("the guards differ from the oracle as they are: see `make prove`")
        self._seconds = 4 * (time.process_time() - started) + 5

    def tried(self, module: str) -> Iterator[Line]:
        """What became of each mutant of a module; from the log where it stands there."""
        path = ROOT / "recsys" / f"{module}.py"
        source = path.read_text()
        digest = hashlib.sha256(source.encode()).hexdigest()
        known = {line.number: line for line in self._lines() if (line.module, line.sha256) == (module, digest)}
        for number, mutant in enumerate(mutants(source)):
            if number not in known:
                noticed = self._notice(module, path, mutant)
                known[number] = Line(module, digest, number, mutant.line, mutant.what, noticed)
                with self._log.open("ab") as log:
                    log.write(msgspec.json.encode(known[number]) + b"\n")
            yield known[number]

    def _lines(self) -> list[Line]:
        if not self._log.exists():
            return []
        whole = self._log.read_bytes().rpartition(b"\n")[0]  # a line that was cut off is done again
        return list(msgspec.json.Decoder(Line).decode_lines(whole))

    def _notice(self, module: str, path: Path, mutant: Mutant) -> str | None:
        name = "recsys." + module.replace("/", ".")
        finder = _Instead(name, path, mutant.tree)
        sys.meta_path.insert(0, finder)
        signal.setitimer(signal.ITIMER_PROF, self._seconds)  # processor time: a busy machine stops no mutant
        agreed = self._agree()
        signal.setitimer(signal.ITIMER_PROF, 0)
        sys.meta_path.remove(finder)
        if not agreed:
            return "oracle"
        if not _pass_as_they_are(MODULES[module]):
            raise SystemExit(f"the tests of {module} fail as they are")
        return None if _pass(MODULES[module], name, path, ast.unparse(mutant.tree)) else "tests"

    def _agree(self) -> bool:
        """Whether what is imported now says what the oracle says. What shows a difference is asked first next time."""
        _forget()
        try:
            agreement, reasoning = (importlib.import_module(name) for name in _AGREEING)
            differing = (n for n, case in enumerate(self._worlds) if not _agrees(agreement, reasoning, case))
            place = next(differing, None)
        except Exception:  # noqa: BLE001 - a mutant may fail in any way whatever
            return False
        if place is not None:
            self._worlds.insert(0, self._worlds.pop(place))
        return place is None


def _agrees(agreement: ModuleType, reasoning: ModuleType, case: _Case) -> bool:
    seed, world, oracle, reasoned = case
    now = agreement.situation(world)
    if agreement.verdicts_differ(now, oracle) or agreement.learning_differs(now, oracle):
        return False
    if world.policy.exploration.kind is ExplorationKind.OFF and agreement.decisions_differ(now, oracle):
        return False
    return not (reasoned and reasoning.unreasonable(world, seed))


def _forking() -> multiprocessing.context.ForkServerContext:
    return multiprocessing.get_context("forkserver")


@cache
def _pass_as_they_are(tests: tuple[str, ...]) -> bool:
    return _pass(tests)


def _pass(tests: tuple[str, ...], name: str = "", path: Path = ROOT, source: str = "") -> bool:
    """Whether these tests pass; with a `name`, in a process where that module is another."""
    process = _forking().Process(target=_test, args=(tests, name, path, source))
    process.start()
    process.join()
    return process.exitcode == 0


def _test(tests: tuple[str, ...], name: str, path: Path, source: str) -> None:
    resource.setrlimit(resource.RLIMIT_CPU, (_TEST_SECONDS, _TEST_SECONDS))
    silence = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silence, 1)
    os.dup2(silence, 2)
    os.chdir(ROOT)
    _forget()
    if name:
        sys.meta_path.insert(0, _Instead(name, path, ast.parse(source)))
    settings.register_profile("mutants", deadline=None, database=None, phases=[Phase.explicit, Phase.generate])
    options = ["-x", "--assert=plain", "-p", "no:cacheprovider", "-m", "not slow"]
    options += ["--hypothesis-seed=0", "--hypothesis-profile=mutants"]
    raise SystemExit(pytest.main([*options, *(f"tests/recsys/{test}.py" for test in tests)]))


class _Remembering(Oracle):
    """The oracle, which is slow, asked once."""

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self._said: dict[tuple[str, str], list[str]] = {}

    def verdicts(self, person: Person, offer: Offer) -> list[str]:
        """As ever."""
        key = person.subject, str(offer["offer_id"])
        if key not in self._said:
            self._said[key] = super().verdicts(person, offer)
        return self._said[key]


def _worlds() -> Iterator[_Case]:
    """Worlds of several sizes, their seeds, and whether reasons are asked for; in every fourth, chance has a part."""
    for size, count in _SIZES:
        for seed in range(count):
            world = seeded_world(seed, size)
            if seed % 4 == 1:
                world = world.with_policy(changed(world.policy, exploration=_EXPLORING[seed // 4 % 2]))
            yield seed, world, _Remembering(world), False
    for seed in range(12):
        world = seeded_world(seed, _REASONED)
        yield seed, world, _Remembering(world), True


class _Instead(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Imports a mutant in the place of its module."""

    def __init__(self, name: str, path: Path, tree: ast.Module) -> None:
        self._name, self._path, self._tree = name, path, tree

    def find_spec(self, fullname: str, *_: object) -> importlib.machinery.ModuleSpec | None:
        """The mutant, if it is asked for."""
        return importlib.util.spec_from_loader(fullname, self) if fullname == self._name else None

    def exec_module(self, module: ModuleType) -> None:
        """Run it."""
        exec(compile(self._tree, str(self._path), "exec"), module.__dict__)  # noqa: S102 - a module of our own


def _forget() -> None:
    """Let everything that a mutant may be in, or may have been read by, be imported anew."""
    for name in [*sys.modules]:
        if (name.startswith("recsys.") and not name.startswith(_KEPT)) or name in _AGREEING:
            parent, _, child = name.rpartition(".")
            del sys.modules[name]
            vars(sys.modules[parent]).pop(child, None) if parent in sys.modules else None


def _too_long(_signal: int, _frame: FrameType | None) -> None:
    raise TimeoutError("a mutant that does not end")


if __name__ == "__main__":
    run(lambda: app, Path(sys.argv[0]).name)
