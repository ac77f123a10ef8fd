"""What takes long to load is loaded by whoever uses it, and by nobody else."""

from __future__ import annotations

import subprocess
import sys

import pytest

from recsys.evaluation.lazily import lazily

COMMAND = """
import sys
import recsys.cli
print(sorted({"altair.vegalite", "scipy.stats._stats_py"} & set(sys.modules)))
from recsys.evaluation.drift import stats
print(stats.ks_2samp([1, 2], [1, 2]).pvalue)
"""


@pytest.mark.slow
def test_the_commands_load_neither_plots_nor_tests() -> None:
    done = subprocess.run([sys.executable, "-c", COMMAND], capture_output=True, text=True, check=True)  # noqa: S603 - ours
    assert done.stdout.splitlines() == ["[]", "1.0"]


def test_what_is_not_installed_is_said_at_once() -> None:
    with pytest.raises(ModuleNotFoundError, match="no_such_library"):
        lazily("no_such_library")
