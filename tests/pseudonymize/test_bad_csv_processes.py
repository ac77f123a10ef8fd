"""Bad CSV ends the command with one message, each time: how a process ends is seen from outside only."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from subprocess import CompletedProcess

import pytest
from support.commands import assert_clear_failure, run

pytestmark = pytest.mark.slow  # many processes

HEADER = b"loyalty_card,offer_id,redeemed_on\n"
ROW = b"9840,C-1,2017-01-05\n"
BAD = {
    "headerless": (b"jane,C-1,2017-01-05\n" + ROW * 2, "has none of the columns"),
    "headerless, ragged": (ROW + b"jane,C-1\n", "has none of the columns"),
    "ragged": (HEADER + ROW + b"jane,C-1\n", "row 2: its cells number 2"),
    "not UTF-8": (HEADER + ROW * 19 + b"\xff\xfe,C-1,jane\n", "UTF-8"),
    "not UTF-8, ragged": (HEADER + ROW * 19 + b"\xff\xfe,jane\n", "row 20: its cells number 2"),
    "NUL": (HEADER + ROW + b"jane\0,C-1,2017-01-05\n", "row 2, column 1 holds a NUL"),
    "NUL, ragged": (HEADER + ROW + b"\0jane\0\n", "row 2: its cells number 1"),
}


def assert_fails_each_time(path: Path, fields: Path, vault: Path, kind: str, times: int) -> None:
    content, message = BAD[kind]
    path.write_bytes(content)

    def once(_: int) -> CompletedProcess[str]:
        return run("pseudonymize", "run", "--fields", fields, "--vault", vault, "--out", path.with_suffix(""), path)

    with ThreadPoolExecutor(max_workers=2) as pool:
        for done in pool.map(once, range(times)):
            assert_clear_failure(done, message)
            assert "terminate" not in done.stderr
            assert "jane" not in done.stdout + done.stderr
            assert len(done.stderr.splitlines()) == 1, done.stderr


@pytest.mark.parametrize("kind", BAD)
def test_bad_csv_ends_in_one_message_many_times(
    kind: str, fields_file: Path, vault_folder: Path, tmp_path: Path
) -> None:
    assert_fails_each_time(tmp_path / "redemptions.csv", fields_file, vault_folder, kind, times=10)
