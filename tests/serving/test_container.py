"""The image, and deploy/README.md, "In a container": what is built, how it is run, and when it is healthy."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from support.commands import run
from support.server import Server

from serving.settings import read_settings

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
IMAGE = (DEPLOY / "Containerfile").read_text()
COPIED = re.findall(r"^COPY (?!--from)(\S+)", IMAGE, re.MULTILINE)
FLAGS = {"--rm", "--detach", "--read-only"}  # of podman run: those without a value
# What the service is told of where it is told nothing: its settings, and what they name.
NAMED = ["/etc/recsys/serve.toml", *re.findall(r'= "(/.*?)"', (DEPLOY / "serve.toml").read_text())]
# A test's name says whether a real program knows the options too: none is everywhere.
PODMANS = ["words", *(name for name in ("podman", "docker") if shutil.which(name))]


def typed(folder: Path) -> list[list[str]]:
    """What the page's lines ask of podman, as bash hands it over; users exist by name only."""
    (page,) = re.findall(
        r"^## In a container\n.*?```console\n(.*?)```", (DEPLOY / "README.md").read_text(), re.DOTALL | re.MULTILINE
    )
    lines = page.replace("\\\n", " ").replace("/var/lib/recsys-operator", str(folder)).splitlines()
    assert all(line.startswith("$ ") for line in lines)
    programs = ("podman", "curl", "touch")
    for name in programs:
        (folder / name).write_text(
            f"#!/bin/bash\nprintf '%s\\0' {name} \"$@\" >> {folder}/asked; echo >> {folder}/asked\n"
        )
    (folder / "id").write_text('#!/bin/bash\n[ "$2" = recsys ] && echo "7$1"\n')
    for name in (*programs, "id"):
        (folder / name).chmod(0o755)
    script = "".join(line[2:] + "\n" for line in lines)
    environment = {**os.environ, "PATH": f"{folder}:{os.environ['PATH']}"}
    subprocess.run(["bash", "-euo", "pipefail", "-c", script], env=environment, cwd=ROOT, check=True)  # noqa: S603, S607 - the page's own lines, by bash from the path
    return [line.split("\0")[:-1] for line in (folder / "asked").read_text().splitlines()]


def parsed(words: list[str]) -> tuple[dict[str, list[str]], list[str]]:
    """The options of `podman run`, and what comes after the image's name."""
    options: dict[str, list[str]] = {}
    rest = words[2:]
    while rest[0].startswith("-"):
        name, *rest = rest
        options.setdefault(name, [])
        if name not in FLAGS:
            value, *rest = rest
            options[name].append(value)
    assert rest[0] == "recsys-serve"
    return options, rest[1:]


def test_every_run_sees_the_files_that_it_is_told_of_and_the_port_is_for_the_machine_alone(tmp_path: Path) -> None:
    build, *runs, touched, serve, asked = typed(tmp_path)
    assert build[1:] == [
        *("build", "--format", "docker", "--file", "deploy/Containerfile", "--tag", "recsys-serve", ".")
    ]
    settings = read_settings({}, DEPLOY / "serve.toml")
    assert asked[-1] == f"http://127.0.0.1:{settings.port}/health/ready"
    state = settings.state.get_secret_value().removeprefix("sqlite:///")
    words = [parsed(one) for one in (*runs, serve)]
    assert [arguments[:1] for _, arguments in words] == [["load"], ["keys"], ["keys"], ["audit"], []]
    assert [arguments[3] for _, arguments in words[1:3]] == ["decide,events", "admin"]
    assert (tmp_path / "operator.header").exists()  # which the runbook's lines name
    for options, arguments in words:
        places = {volume.split(":")[0] for volume in options["--volume"]}
        assert all(re.fullmatch(r"(/\S+?):\1(:ro)?", volume) for volume in options["--volume"])  # named as outside
        assert options["--user"] == ["7-u:7-g"]
        paths = [state, *(word for word in arguments or NAMED if word.startswith("/"))]
        assert all(any(path.startswith(f"{place}/") for place in places) for path in paths), (places, paths)
    served, _ = words[-1]
    assert served["--publish"] == [f"127.0.0.1:{settings.port}:{settings.port}"]
    assert int(served["--stop-timeout"][0]) > settings.grace_seconds
    (kept,) = re.findall(r"^EnvironmentFile=-(.*)$", (DEPLOY / "recsys-serve.service").read_text(), re.MULTILINE)
    assert (touched[1:], served["--env-file"]) == ([kept], [kept])  # what the unit reads; podman wants it to be there


@pytest.mark.parametrize("podman", PODMANS)
def test_there_are_such_options(podman: str, tmp_path: Path) -> None:
    runs = [words for words in typed(tmp_path) if words[:2] == ["podman", "run"]]
    assert len(runs) == 5
    named = {name for words in runs for name in parsed(words)[0]}
    if podman != "words":
        said = subprocess.run([podman, "run", "--help"], capture_output=True, text=True, check=True).stdout  # noqa: S603 - from the path
        assert all(re.search(rf"{name}\b", said) for name in named)


@pytest.mark.slow
def test_the_image_has_the_service_and_nothing_that_sees_identifiers_or_trains() -> None:
    assert COPIED == ["requirements/serving.txt", "recsys", "web", "serving", "deploy/live.py"]
    assert all((ROOT / name).exists() for name in COPIED)
    words = json.loads(re.search(r"ENTRYPOINT (\[.*\])", IMAGE)[1]) + json.loads(re.search(r"CMD (\[.*\])$", IMAGE)[1])
    help_text = run(words[2], "--help").stdout
    assert all(word in help_text for word in words[3:] if word.startswith("--"))


def test_nothing_gets_into_an_image_but_what_is_copied() -> None:
    lines = (ROOT / ".containerignore").read_text().splitlines()
    rules = [line for line in lines if line and not line.startswith("#")]
    assert rules == ["*", *(f"!{name}" for name in COPIED), "**/__pycache__"]


def test_the_image_asks_by_its_own_settings_whether_it_lives() -> None:
    (check,) = re.findall(r"^HEALTHCHECK .*?CMD (\[.*?\])$", IMAGE, re.MULTILINE | re.DOTALL)
    _, program, settings = json.loads(check)
    assert f"COPY deploy/live.py {program}" in IMAGE
    (command,) = re.findall(r"^CMD (\[.*\])$", IMAGE, re.MULTILINE)
    assert json.loads(command)[:2] == ["--config", settings]


@pytest.mark.slow
def test_it_is_healthy_while_the_service_answers(server: Server, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        away = nobody.getsockname()[1]
    for port, status in ((server.http.base_url.port, 0), (away, 1)):
        settings = tmp_path / "serve.toml"
        settings.write_text(f"port = {port}\n")
        words = [sys.executable, DEPLOY / "live.py", settings]
        done = subprocess.run(words, capture_output=True, text=True, check=False)  # noqa: S603 - the image's own question
        assert done.returncode == status, done
        done = subprocess.run([*words], env={**os.environ, "RECSYS_SERVE_PORT": str(away)}, check=False)  # noqa: S603 - as above
        assert done.returncode == 1  # the environment comes before the file
