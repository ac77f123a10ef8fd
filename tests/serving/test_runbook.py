"""The runbook's commands, with a real server: start, back up, restore, upgrade, roll back, rotate keys."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from support.commands import run
from support.shop import DRINKER, Shop
from support.tokens import token

from serving.stores import open_store

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "runbook.md").read_text()
LEAVER = token(3)
MODULES = {"recsys-serve": "serving", "recsys-train": "training"}

# What systemd would do with the unit: its command line, in the background, until it is stopped.
SYSTEMCTL = """
systemctl() {
    case $1 in
    start)
        eval "exec $UNIT" & server=$!
        for _ in $(seq 300); do curl -sf $ADDRESS/health/ready > /dev/null && return; sleep 0.1; done; return 1 ;;
    stop) kill $server; wait $server ;;
    esac
}
trap 'kill $server 2> /dev/null; wait' EXIT
"""


def commands(section: str) -> str:
    """The commands of one section."""
    text = re.search(rf"^## {section}\n(.*?)(?=^## |\Z)", PAGE, re.DOTALL | re.MULTILINE)[1]
    lines = "".join(re.findall(r"```console\n(.*?)```", text, re.DOTALL)).replace("\\\n", " ").splitlines()
    assert lines
    assert all(line.startswith("$ ") for line in lines)
    return "\n".join(line[2:] for line in lines) + "\n"


def free_port() -> int:
    """A port that nobody had a moment ago: the settings name one."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return listening.getsockname()[1]


@pytest.fixture
def place(shop: Shop, tmp_path: Path) -> Path:
    """What the other stages delivered, where the runbook has it; a bundle to roll back from."""
    etc, var = tmp_path / "etc" / "recsys", tmp_path / "var" / "lib" / "recsys"
    etc.mkdir(parents=True)
    var.mkdir(parents=True)
    shutil.copy(shop.trust, etc / "signing.key.pub")
    shutil.copy(shop.guards, etc / "guards.toml")
    (etc / "guards.toml.before").write_text(shop.guards.read_text().replace('name = "small"', 'name = "before"'))
    shutil.copytree(shop.folder / "models", var / "models")
    for name in ("catalogue", "offers"):
        shutil.copy(shop.file(name), var)
    (tmp_path / "release").mkdir()
    for name in ("purchases", "subjects"):
        shutil.copy(shop.file(name), tmp_path / "release")
    fitted = run(
        *("training", "fit", "--purchases", shop.file("purchases"), "--level", "item", "--models", var / "models"),
        *("--name", "small", "--signing-key", shop.folder / "signing.key", "--profile", "test", "--seed", 1, "--json"),
    )
    assert fitted.returncode == 0, fitted.stderr
    return tmp_path


def test_the_runbook_works(place: Path) -> None:
    port = free_port()
    version = max(path.name for path in (place / "var/lib/recsys/models/small").iterdir() if path.is_dir())
    settings = (ROOT / "deploy" / "serve.toml").read_text()
    service = (ROOT / "deploy" / "recsys-serve.service").read_text()
    unit = re.search(r"^ExecStart=\S*/recsys-serve (.*)$", service, re.MULTILINE)[1]
    promote = f"recsys-train promote --models /var/lib/recsys/models --name small --version {version} \
        --trust /etc/recsys/signing.key.pub --force --reason 'to be rolled back'\n"
    erase = f"""curl -sf $ADDRESS/v1/subjects/erase -H "Authorization: Bearer $(cat eraser.key)" \
        -H 'Content-Type: application/json' -d '{{"subjects": ["{LEAVER}"]}}'\n"""
    script = "".join(
        [
            *(f'{name}() {{ "{sys.executable}" -m {module} "$@"; }}\n' for name, module in MODULES.items()),
            SYSTEMCTL,
            commands("Start"),
            "recsys-serve keys create --state sqlite:////var/lib/recsys/state.db --scope subject > eraser.key\n",
            commands("Back up"),
            erase,
            commands("Restore"),
            commands("Upgrade"),
            promote,
            commands("Roll a bundle or a policy back"),
            commands("Rotate keys"),
            commands("Every week"),
        ]
    )

    def placed(text: str) -> str:
        for folder in ("/etc/recsys", "/var/lib/recsys"):
            text = text.replace(folder, f"{place}{folder}")
        return text.replace(":8080", f":{port}").replace("models/grocery", "models/small")

    (place / "etc/recsys/serve.toml").write_text(placed(settings).replace("port = 8080", f"port = {port}"))
    done = subprocess.run(  # noqa: S603 - the runbook's own commands
        ["bash", "-euo", "pipefail", "-c", placed(script)],  # noqa: S607 - bash, from the path
        cwd=place,
        env={
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "UNIT": f'"{sys.executable}" -m serving {placed(unit)}',
            "ADDRESS": f"http://127.0.0.1:{port}",
            "NO_COLOR": "1",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    state = f"sqlite:///{place}/var/lib/recsys/state.db"
    with contextlib.closing(open_store(state)) as store:
        assert store.erased([LEAVER]) == {LEAVER}  # the backup knew them; the restored state does not
        assert not store.access(LEAVER).held
        assert store.access(DRINKER).held
        named = {key.name: key.revoked for key in store.keys.all() if key.name == "checkout"}
        assert sum(key.revoked is not None for key in store.keys.all()) == 1, named
    with contextlib.closing(open_store(f"sqlite:///{place}/backup.db")) as backup:
        assert backup.access(LEAVER).held
    assert "before@" in done.stdout  # what the reload answered
