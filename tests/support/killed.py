"""Commands that are killed before each of the steps that change something on the disk, one after the other."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

# Forks the command again and again from one process that has done its imports. An audit hook sees what the command is
# about to do to files; the n-th time it sends itself SIGKILL. Nothing in the commands knows of it.
_RUNNER = """
import gc, json, os, shutil, signal, sys

STEPS = {"os.rename", "os.remove", "os.rmdir", "os.mkdir"}

def watch(allowed):
    seen = 0
    def hook(event, arguments):
        nonlocal seen
        overwriting = event == "open" and arguments[1] == "r+b"
        if event in STEPS or overwriting:
            seen += 1
            if seen > allowed:
                os.kill(os.getpid(), signal.SIGKILL)
    sys.addaudithook(hook)

def attempt(main, case, arguments, allowed):
    child = os.fork()
    if child:
        return os.waitpid(child, 0)[1]
    os.chdir(case)
    sys.argv = ["command", *arguments]
    watch(allowed)
    try:
        main()
    except SystemExit as end:
        os._exit(end.code or 0)
    os._exit(99)

def scenario(main, template, cases, arguments):
    number = 0
    while True:
        case = os.path.join(cases, f"{number:02}")
        shutil.copytree(template, case)
        status = attempt(main, case, arguments, number)
        if not os.WIFSIGNALED(status):
            return [number, os.waitstatus_to_exitcode(status)]
        number += 1

gc.freeze()
print(json.dumps([scenario(main, *one) for one in json.loads(sys.argv[1])]))
"""


@dataclass(frozen=True)
class Scenario:
    """A command, run in copies of a folder. Its paths are relative to the folder."""

    template: Path
    cases: Path
    arguments: tuple[str, ...]


def kill_everywhere(imports: str, *scenarios: Scenario) -> list[list[Path]]:
    """The folders that each scenario left, one for each step before which it was killed; the last ran to its end.

    Args:
        imports: Python that defines `main`, the command.
        scenarios: What to run.
    """
    asked = [[str(s.template), str(s.cases), s.arguments] for s in scenarios]
    done = subprocess.run(  # noqa: S603 - our own commands, killed by themselves
        [sys.executable, "-c", imports + _RUNNER, json.dumps(asked)],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    outcomes = json.loads(done.stdout.splitlines()[-1])
    assert [status for _, status in outcomes] == [0] * len(scenarios), done.stderr
    return [
        [scenario.cases / f"{number:02}" for number in range(kills + 1)]
        for scenario, (kills, _) in zip(scenarios, outcomes, strict=True)
    ]
