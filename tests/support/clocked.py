"""`recsys-serve` on a machine whose clock is put by as many seconds as a file says: a program for tests.

python -m support.clocked --put-by FILE --bundle … --state …
"""

from __future__ import annotations

import datetime as dt
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from serving.clock import utc_clock
from serving.clockwork import Clockwork
from serving.running import serve_alone, serve_together
from serving.settings import read_settings

ROOT = Path(__file__).parents[2]
COMMAND = ("-m", "support.clocked")
ENVIRONMENT = {"PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}", "RECSYS_SERVE_FOLLOW_SECONDS": "0.1"}


@dataclass(frozen=True)
class PutClock:
    """The machine's clock, as somebody put it."""

    by: Path

    def __call__(self) -> dt.datetime:
        """What it shows."""
        return utc_clock() + dt.timedelta(seconds=float(self.by.read_text()))

    def put(self, seconds: float) -> None:
        """Put it, at once for everybody who looks."""
        beside = self.by.with_suffix(".new")
        beside.write_text(str(seconds))
        beside.rename(self.by)


def main(words: Sequence[str]) -> None:
    """Serve, as the command does without `--now`."""
    given = {
        name.removeprefix("--").replace("-", "_"): value for name, value in zip(words[::2], words[1::2], strict=True)
    }
    clockwork = Clockwork(wall=PutClock(Path(given.pop("put_by"))))
    settings = read_settings(given, None)
    (serve_alone if settings.workers == 1 else serve_together)(settings, clockwork, as_json=False)


if __name__ == "__main__":
    main(sys.argv[1:])
