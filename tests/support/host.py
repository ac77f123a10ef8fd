"""A folder in the place of `/`, in which the runbook's commands are typed as root types them on a real machine.

The commands are real, and so are the programs of PostgreSQL; what a test must not do to a machine is replaced by as
little as possible: users exist by name only, `install` gives files to nobody who does not exist, and `systemctl`
starts the installed unit's command line in the background and returns at once, as systemd does for `Type=exec`; what it
says goes into a file, which `journalctl` shows. Command lines of `curl` and `runuser` are kept: every user sees them.
Whoever opens a state without having become `recsys` is refused. Where the tests run as root, `recsys` is user 65534
of this machine, and the kernel lets it write nothing that is root's; it may read more than it should where the
interpreter lies with root.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from serving.stores.migrating import HEAD

ROOT = Path(__file__).parents[2]
NOBODY = 65534
OLD, NEW = "0.1.0", "0.2.0"  # the versions that the runbook names
_NOBODY = f"setpriv --reuid={NOBODY} --regid={NOBODY} --clear-groups"
_AND_READS = f"{_NOBODY} --inh-caps=+dac_read_search --ambient-caps=+dac_read_search"
_ONESELF = "env"

_SYSTEMCTL = """
server=
systemctl() {
    unit=$HOST/etc/systemd/system/recsys-serve.service
    case "$*" in
    daemon-reload) test -f "$unit" ;;
    "enable recsys-serve") grep -q '^WantedBy=' "$unit" ;;
    "start recsys-serve")
        (exec >> "$HOST/journal" 2>&1; cd "$HOST/var/lib/recsys"; umask 077
         exec env -u RECSYS_SERVE_STATE runuser -u recsys -- $(sed -n 's/^ExecStart=//p' "$unit")) &
        server=$! ;;
    "kill --kill-who=main --signal=USR1 recsys-serve") kill -s USR1 $server ;;
    "stop recsys-serve") kill $server; wait $server; server= ;;
    "restart recsys-serve") systemctl stop recsys-serve; systemctl start recsys-serve ;;
    "status --no-pager recsys-serve") kill -0 $server ;;
    *) return 1 ;;
    esac
}
journalctl() {
    [ "$*" = "--unit recsys-serve --lines 50 --no-pager" ] && tail --lines 50 "$HOST/journal"
}
trap '[ -z "$server" ] || kill $server; wait; tail --lines 50 "$HOST/journal" >&2' EXIT
"""
_SEEN = """printf '%s\\n' "$@" >> "$HOST/seen"\n"""
_COMMANDS = {
    "curl": f'{_SEEN}exec "{shutil.which("curl")}" "$@"',
    "useradd": 'for name; do :; done; touch "$HOST/users/$name"',
    "runuser": _SEEN
    + """[ "$1 $3" = "-u --" ] && [ -e "$HOST/users/$2" ] || exit 1
user=$2; shift 3
HOME="$HOST/var/lib/recsys" TYPED_BY=$user exec $BECOME "$@" """,
    "install": """words=()
while [ $# -gt 0 ]; do
    case $1 in
    -o | -g) [ -e "$HOST/users/$2" ] || exit 1
        if [ "$2" != root ] && [ "$BECOME" != env ]; then words+=("$1" "$NOBODY"); fi; shift 2 ;;
    *) words+=("$1"); shift ;;
    esac
done
exec /usr/bin/install "${words[@]}" """,
    "recsys-train": f"""if [ "$1" = fit ]; then set -- "$@" --profile test --seed 1; fi
exec "{sys.executable}" -m training "$@" """,
}
_SERVE = """[ "$TYPED_BY" = recsys ] || {{ echo 'the state belongs to recsys' >&2; exit 1; }}
PYTHONPATH={tree} exec "{python}" -m serving "$@" """
_MIGRATION = """from alembic import op
from sqlalchemy import Column, Text

revision, down_revision = "{head}", "{before}"

def upgrade():
    op.create_table("of_the_next_version", Column("name", Text, primary_key=True))
"""


class Host:
    """A machine on which nothing was installed but two versions of the program, in `/opt`, and tools.

    Args:
        root: An empty folder, which everybody may enter.
        port: What the settings are to name.
    """

    def __init__(self, root: Path, port: int) -> None:
        self.root, self._port = root, port
        self.become = _another_user() if os.geteuid() == 0 else _ONESELF
        for name in ("bin", "users", "etc/systemd/system", "var/lib", "var/backups", "srv/recsys"):
            (root / name).mkdir(parents=True)
        for user in ("root", "postgres"):
            (root / "users" / user).touch()
        for name, lines in _COMMANDS.items():
            self._script(root / "bin" / name, lines)
        for version, tree in ((OLD, str(ROOT)), (NEW, f"{_of_the_next_version(root / 'next')}:{ROOT}")):
            self._installed(root / "opt" / f"recsys-{version}", tree)

    def _installed(self, folder: Path, tree: str) -> None:
        (folder / "share/recsys").mkdir(parents=True)
        (folder / "bin").mkdir()
        self._script(folder / "bin" / "recsys-serve", _SERVE.format(tree=tree, python=sys.executable))
        for name in ("serve.toml", "recsys-serve.service"):
            (folder / "share/recsys" / name).write_text(self.placed((ROOT / "deploy" / name).read_text()))

    def use_postgres(self, programs: Path) -> None:
        """Have a server's own programs. Its socket lies where only root and its own user may go: nobody is another."""
        self.become = _ONESELF
        for name in ("createdb", "pg_dump", "pg_restore", "psql"):
            self._script(self.root / "bin" / name, f'exec "{programs / name}" "$@"')

    def placed(self, text: str) -> str:
        """The text with the paths below the folder, the port that is free here, and the shop's own bundle."""
        text = re.sub(r"(?<![\w.$}])/(?=(?:opt|etc|srv|var/lib|var/backups)\b)", f"{self.root}/", text)
        text = text.replace("workers = 2", "workers = 1")  # each start costs a third
        return re.sub(r"\b8080\b", str(self._port), text).replace("grocery", "small")

    @property
    def seen(self) -> str:
        """What every user of the machine could see while it was typed."""
        return (self.root / "seen").read_text()

    def give(self, folder: str) -> None:
        """Make everything in a folder the service's user's own."""
        if self.become != _ONESELF:
            for path in (self.root / folder, *(self.root / folder).rglob("*")):
                os.chown(path, NOBODY, NOBODY)

    def types(self, script: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Type it, line by line; the first one that fails ends it."""
        return subprocess.run(  # noqa: S603 - the runbook's own commands
            ["bash", "-euo", "pipefail", "-c", _SYSTEMCTL + self.placed(script)],  # noqa: S607 - bash, from the path
            cwd=self.root,
            env={
                **os.environ,
                "PATH": f"{self.root / 'bin'}:{os.environ['PATH']}",
                "PYTHONPATH": str(ROOT),
                "PYTHONDONTWRITEBYTECODE": "1",
                "HOST": str(self.root),
                "BECOME": self.become,
                "NOBODY": str(NOBODY),
                "NO_COLOR": "1",
                **environment,
            },
            capture_output=True,
            text=True,
            check=False,
            timeout=1800,
        )

    @staticmethod
    def _script(path: Path, lines: str) -> None:
        path.write_text(f"#!/bin/bash\n{lines}\n")
        path.chmod(0o755)


def _another_user() -> str:
    """How to become one who can start the interpreter and read the code."""
    for become in (_NOBODY, _AND_READS):
        words = [*become.split(), "sh", "-c", 'exec "$0" -c "import serving.cli"', sys.executable]
        with contextlib.suppress(FileNotFoundError):  # no setpriv
            if subprocess.run(words, cwd=ROOT, capture_output=True, check=False).returncode == 0:  # noqa: S603 - as above
                return become
    return _ONESELF


def _of_the_next_version(folder: Path) -> Path:
    """The program with one more version of its tables."""
    shutil.copytree(ROOT / "serving", folder / "serving")  # with what was compiled
    head = f"{int(HEAD) + 1:04}"
    migrating = folder / "serving/stores/migrating.py"
    migrating.write_text(migrating.read_text().replace(f'HEAD: Final = "{HEAD}"', f'HEAD: Final = "{head}"'))
    added = folder / f"serving/stores/migrations/versions/v{head}_next.py"
    added.write_text(_MIGRATION.format(head=head, before=HEAD))
    return folder
