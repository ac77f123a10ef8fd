"""The runbook's commands, word for word, with real servers, states and a real PostgreSQL (see `support.host`)."""

from __future__ import annotations

import contextlib
import datetime as dt
import re
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest
from support.host import Host
from support.links import relink_order
from support.postgres import Postgres
from support.releases import one_time_map, order, released
from support.shop import AS_OF, DRINKER, Shop, resigned
from support.tokens import token

from recsys.contracts.purchases import PURCHASES
from recsys.contracts.recipient import SERVING
from recsys.contracts.subjects import SUBJECTS
from recsys.registry import bundle_versions
from serving.stores import StoreError, open_store
from training.purchases.append import append
from training.registry.journal import Action, Move, record
from web.api_keys import KEY_PATTERN

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "runbook.md").read_text()
LEAVER, MEANWHILE, LATER = token(3), token(5), token(4)
WEB, CARD = token(8), token(9)  # turn out to be one shopper
OF_OLDER_SYSTEMDS = {"--no-pager", "--kill-who", "--signal"}  # 249 has them, and those of today
# A test's name says whether systemd's own program looked at the lines: it is not everywhere.
SYSTEMCTLS = ["words", *(["systemctl"] if shutil.which("systemctl") else [])]
STATE = "/var/lib/recsys/state.db"
BACKUPS = "/var/backups/recsys"
AS_RECSYS = "runuser -u recsys -- recsys-serve"
OLDER, NEWER, KEY_ID = "20171030-1f2e3d4c", "20171126-5e6f7a8b", "3f9c0a1b2c4d"  # what stands for others on the page


def sections() -> dict[str, str]:
    """The commands below each heading, in the page's order."""
    found: dict[str, str] = {}
    for heading, text in re.findall(r"^###? (.*?)\n(.*?)(?=^###? |\Z)", PAGE, re.DOTALL | re.MULTILINE):
        lines = "".join(re.findall(r"```console\n(.*?)```", text, re.DOTALL)).replace("\\\n", " ").splitlines()
        assert all(line.startswith("$ ") for line in lines), heading
        if lines:
            found[heading] = "\n".join(line[2:] for line in lines) + "\n"
    return found


COMMANDS = sections()


def erased(who: str) -> str:
    """Somebody asks to be forgotten, while the service runs."""
    return f"""curl -sf http://127.0.0.1:8080/v1/subjects/erase -H @eraser.header \
        -H 'Content-Type: application/json' -d '{{"subjects": ["{who}"]}}'\n"""


def meanwhile(lines: str) -> str:
    """After the first line somebody is erased, by whichever door is open: the service, or the custodian's order."""
    first, rest = lines.split("\n", 1)
    ordered = COMMANDS["Somebody is to be forgotten"].replace("\n", "; ")
    return f"{first}\n{erased(MEANWHILE).strip()} || {{ {ordered} }}\n{rest}"


def fails(command: str) -> str:
    """The command has to fail."""
    return f"if {command}; then exit 99; fi\n"


def without_keys(lines: str) -> str:
    """Keys were made on the other store."""
    return "".join(line for line in lines.splitlines(keepends=True) if not re.search(r"\.(key|header)", line))


def revoked(lines: str) -> str:
    """The id is taken from what the list shows."""
    found = "$(grep -w checkout list | grep -v checkout-2 | grep -ow '[0-9a-f]\\{12\\}')"
    return lines.replace("keys list\n", "keys list 2>&1 | tee list\n").replace(KEY_ID, found)


PINNED = f"echo 'policy_sha256 = \"{'0' * 64}\"' >> /etc/recsys/serve.toml\n"
ERASER = f"{AS_RECSYS} keys create --scope subject | sed 's/^/Authorization: Bearer /' > eraser.header\n"


@pytest.fixture
def host(shop: Shop) -> Iterator[Host]:
    """A machine with what the other stages delivered, where the runbook has it."""
    with tempfile.TemporaryDirectory(prefix="recsys-host-") as name, socket.create_server(("127.0.0.1", 0)) as one:
        port = one.getsockname()[1]
        one.close()
        Path(name).chmod(0o755)
        host = Host(Path(name), port)
        shutil.copytree(shop.folder / "models", host.root / "srv/recsys/models")
        (host.root / "srv/recsys/release").mkdir()
        for file in ("purchases", "subjects"):
            shutil.copy(shop.file(file), host.root / "srv/recsys/release")
        for file in ("signing.key", "signing.key.pub"):
            shutil.copy(shop.folder / file, host.root / "srv/recsys")
        tables = {name: pl.read_parquet(shop.file(name)) for name in ("purchases", "subjects")}
        append(released(host.root / "r1", tables), host.root / "srv/recsys/purchases", accept_epoch=False, today=AS_OF)
        relink_order(host.root / "srv/recsys/training.parquet", [(WEB, CARD)])
        yield host


def deliver(host: Host, shop: Shop) -> str:
    """What comes from the other stages between the installation and the first load, as commands."""
    delivered = host.root / "delivered"
    shutil.copytree(host.root / "srv/recsys/release", delivered / "release")
    shutil.copytree(host.root / "srv/recsys/models", delivered / "models")
    for file in ("catalogue", "offers"):
        shutil.copy(shop.file(file), delivered)
    order(delivered / "order.json", MEANWHILE, recipient=SERVING)
    relink_order(delivered / "serving.parquet", [(WEB, CARD)], recipient=SERVING)
    host.give("delivered")
    shutil.copy(shop.guards, host.root / "guards.toml")
    (host.root / "next.toml").write_text(shop.guards.read_text().replace('name = "small"', 'name = "next"'))
    return f"""cp -rp {delivered}/* /var/lib/recsys/
install -m 0644 {host.root}/guards.toml /srv/recsys/signing.key.pub /etc/recsys/
"""


def versions(host: Host) -> list[str]:
    """Of the bundle, where bundles are made."""
    return bundle_versions(host.root / "srv/recsys/models/small")


def test_every_command_of_the_page_is_typed_by_a_test_below() -> None:
    source = Path(__file__).read_text()
    assert all(f'COMMANDS["{heading}"]' in source for heading in COMMANDS)


def test_no_command_stands_between_the_lines() -> None:
    """Nobody types those here; names of programs and words of their output may stand there."""
    typed = {re.sub(r"^runuser -u \w+ -- ", "", line).split()[0] for line in "".join(COMMANDS.values()).splitlines()}
    assert {"recsys-serve", "curl", "systemctl"} <= typed
    for code in re.findall(r"`([^`]+)`", re.sub(r"^```.*?^```$", "", PAGE, flags=re.DOTALL | re.MULTILINE)):
        program, *arguments = code.split()
        assert not arguments or not (program in typed or program.startswith("recsys-")), code


@pytest.mark.parametrize("reader", SYSTEMCTLS)
def test_systemd_has_the_options_that_it_is_asked_with(reader: str) -> None:
    lines = re.findall(r"^systemctl .*$", "".join(COMMANDS.values()), re.MULTILINE)
    assert {name for line in lines for name in re.findall(r"--[a-z-]+", line)} == OF_OLDER_SYSTEMDS
    for line in set(lines) if reader == "systemctl" else ():
        done = subprocess.run([*line.split(), "--help"], capture_output=True, text=True, check=False)  # noqa: S603 - it says what it can do
        assert done.returncode == 0, done.stderr


def test_the_erased_are_asked_for_when_nobody_can_be_erased_any_more() -> None:
    restoring = [lines for lines in COMMANDS.values() if "forget-again" in lines]
    assert len(restoring) == 4
    for lines in restoring:
        assert 0 <= lines.find("systemctl stop") < lines.find("export erased") < lines.find("forget-again")


def test_the_runbook_works(host: Host, shop: Shop) -> None:
    (first,) = versions(host)
    second = "20171127-to-be-rolled-back"
    resigned(shop, host.root / f"srv/recsys/models/small/{first}", host.root / f"srv/recsys/models/small/{second}")
    now = dt.datetime.now(dt.UTC)
    move = Move(
        at=now, action=Action.PROMOTE, version=second, before=first, forced=True, reason="", gates=(), results=()
    )
    record(host.root / "srv/recsys/models/small", move)
    made, signed = COMMANDS["The signing key"].split("install ", 1)  # on two machines
    everybody = PURCHASES.read(shop.file("purchases"))["subject"].append(
        SUBJECTS.read(shop.file("subjects"))["subject"]
    )
    one_time_map(host.root / "map.parquet", everybody)
    host.give("map.parquet")
    script = "".join(
        [
            *(COMMANDS["Start"], deliver(host, shop), COMMANDS["Each session"], COMMANDS["First load"], ERASER),
            *(COMMANDS["Back up"], erased(LEAVER), COMMANDS["Every week"], meanwhile(COMMANDS["Restore"])),
            fails(f"{AS_RECSYS} audit verify --anchor $aside/checkpoint.json"),
            *(COMMANDS["Upgrade"], erased(LATER)),
            COMMANDS["Go back after an upgrade"],
            *(f"cp {host.root}/next.toml guards.toml\n", COMMANDS["Change a policy, and roll back"]),
            COMMANDS["The clock was put forward"],
            COMMANDS["Roll a bundle back"].replace(OLDER, first),
            *(PINNED, COMMANDS["A policy that is pinned"], revoked(COMMANDS["Rotate keys"])),
            *(made, "version=$(ls /srv/recsys/models/small | grep ^20171126-)\n"),
            "cp -r /srv/recsys/models/small/$version /var/lib/recsys/models/small/\n",
            "chmod -R a+rX /var/lib/recsys/models/small/$version; cp /srv/recsys/signing-2.key.pub .\n",
            *("install " + signed.replace(NEWER, "$version"), COMMANDS["Who is one shopper"]),
            f"mv {host.root}/map.parquet /var/lib/recsys/\n",
            *(COMMANDS["The token key's epoch"], f"{AS_RECSYS} audit verify --anchor {BACKUPS}/checkpoint.json\n"),
            COMMANDS["What an alert means"],
        ]
    )
    done = host.types(script)
    assert done.returncode == 0, f"as {host.become}\n{done.stdout}{done.stderr}"
    told = re.findall(r'"serving":\{"model_version":"([^"]*)".*?"policy_version":"(\w+)@', done.stdout)
    assert [policy for _, policy in told] == ["small", "next", "small", "small", *["next"] * 3]
    (third,) = set(versions(host)) - {first, second}
    assert [model for model, _ in told] == [
        f"small/{version}" for version in (*[second] * 3, first, first, third, third)
    ]
    nobody_else_has_a_key(host)
    the_restored_state_knows_whom_it_has_to_forget(host)


def the_restored_state_knows_whom_it_has_to_forget(host: Host) -> None:
    backups = host.root / BACKUPS[1:]
    left = {LEAVER, MEANWHILE, LATER}
    with contextlib.closing(open_store(f"sqlite:///{host.root}{STATE}")) as store:
        gone = [one.replace("s1.rec.01.", "s1.rec.02.") for one in (*left, WEB)]
        assert not any(store.access(one).held for one in (*left, WEB, *gone))
        assert all(store.access(one.replace("s1.rec.01.", "s1.rec.02.")).held for one in (DRINKER, CARD))  # rekeyed
        assert [key.name for key in store.keys.all() if key.revoked] == ["checkout"]
    for name, known in (("backup.db", left), ("before-upgrade.db", {LATER})):
        with contextlib.closing(open_store(f"sqlite:///{backups / name}")) as backup:
            assert {one for one in left if backup.access(one).held} == known, name
    for aside in ("before-restore", "after-upgrade"):
        (folder,) = backups.glob(f"{aside}-20*T*Z")  # with the time in its name: the next time it is another
        assert (folder / "state.db").stat().st_size


def nobody_else_has_a_key(host: Host) -> None:
    left = [path for kind in ("key", "header") for path in (host.root / "var/lib/recsys-operator").glob(f"*.{kind}")]
    assert {path.name for path in left} == {"eraser.header", "operator.header"}
    assert all(path.stat().st_mode & 0o077 == 0 for path in left)
    assert "@operator.header" in host.seen
    assert re.search(KEY_PATTERN, host.seen) is None


def test_root_writes_nothing_where_another_user_may() -> None:
    """What lies there could be a link to any file. The shell's own output goes into root's folder; commands that write
    elsewhere do so as whoever owns the place."""
    roots = ("/var/lib/recsys-operator", "/etc/", "/opt")
    for heading, lines in COMMANDS.items():
        for line in lines.splitlines():
            for target in re.findall(r"> (\S+)", line):
                assert "/" not in target, (heading, line)
            words = line.split()
            if words[0] in {"cp", "mv", "install", "ln", "mkdir", "touch"}:
                assert words[-1].startswith(roots) or "-d" in words, (heading, line)
    assert "cd /var/lib/recsys-operator\n" in COMMANDS["Each session"]


def test_on_postgres_too(host: Host, shop: Shop, postgres: Postgres) -> None:
    postgres.execute("CREATE ROLE recsys LOGIN")
    postgres.execute("CREATE DATABASE recsys OWNER recsys")
    url = postgres.url("recsys").replace("://postgres", "://recsys", 1)
    settings = host.root / "opt/recsys-0.1.0/share/recsys/serve.toml"
    settings.write_text(re.sub(r'^state = ".*"', f'state = "{url}"', settings.read_text(), flags=re.MULTILINE))
    host.use_postgres(postgres.programs)
    back_up = COMMANDS["Back up PostgreSQL"].replace("postgresql://recsys@db.internal/recsys", url)
    script = "".join(
        [
            *(COMMANDS["Start"], deliver(host, shop), COMMANDS["Each session"], back_up.partition("\n")[0], "\n"),
            *(without_keys(COMMANDS["First load"]), ERASER, back_up, erased(LEAVER)),
            *(meanwhile(COMMANDS["Restore PostgreSQL"]), COMMANDS["Upgrade with PostgreSQL"], erased(LATER)),
            COMMANDS["Go back after an upgrade with PostgreSQL"],
        ]
    )
    server = dict(re.findall(r"(\w+)=([^&]*)", url.partition("?")[2]))
    done = host.types(script, PGHOST=server["host"], PGUSER="postgres", PGDATABASE="postgres")
    assert done.returncode == 0, f"as {host.become}\n{done.stdout}{done.stderr}"
    with contextlib.closing(open_store(url)) as store:
        assert store.erased([LEAVER, MEANWHILE, LATER]) == {LEAVER, MEANWHILE, LATER}
        assert not any(store.access(one).held for one in (LEAVER, MEANWHILE, LATER))
        assert store.access(DRINKER).held
    names = "SELECT string_agg(datname, ' ' ORDER BY datname) FROM pg_database WHERE datname ~ '^recsys_.*_[0-9]+$'"
    aside = postgres.ask(names)
    newer, older = aside.split()
    assert (newer[:20], older[:21]) == ("recsys_after_upgrade", "recsys_before_restore")
    with contextlib.closing(open_store(url.replace("/recsys?", f"/{older}?"))) as before:
        assert before.erased([LEAVER, MEANWHILE]) == {LEAVER, MEANWHILE}
    with pytest.raises(StoreError, match="another version"):  # it was the newer program's
        open_store(url.replace("/recsys?", f"/{newer}?"))
