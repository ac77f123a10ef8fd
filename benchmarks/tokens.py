"""How fast tokens are made, against what else one could do on this machine: `python benchmarks/tokens.py [ROWS]`.

ROWS are those of the receipts, 10 M unless given. One thread for all: set POLARS_MAX_THREADS=1 and OMP_NUM_THREADS=1.
"""

from __future__ import annotations

import datetime as dt
import importlib.util
import secrets
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
from timing import compare

from pseudonymize.canonical import FormName, canonical_form
from pseudonymize.cmac import cmac
from pseudonymize.keys import BlockKey
from pseudonymize.reference import cmac_of
from pseudonymize.tokens import domain_tokens, unwritten, written
from recsys.contracts.token import Lineage

LINEAGE = Lineage("rec", "01")
DISTINCT = 1_000_000
FIELDS = """
version = 1
[fields.card]
[fields.receipt]
[tables.receipts]
match = "receipts*"
feeds = "purchases"
[tables.receipts.columns]
card = { role = "subject", field = "card" }
receipt = { role = "identifier", action = "tokenise", field = "receipt", to = "basket" }
sold_at = { role = "quasi", generalise = "day", to = "day" }
item = { role = "feature", to = "item" }
quantity = { role = "feature", to = "quantity" }
value = { role = "feature", to = "value" }
"""
PEAK = """
import pathlib, runpy, sys
try:
    runpy.run_module("pseudonymize", run_name="__main__")
finally:
    status = pathlib.Path("/proc/self/status").read_text()
    print(status.partition("VmHWM:")[2].split()[0])
"""


def _say(line: object) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main() -> None:
    """Print every figure."""
    material = secrets.token_bytes(32)
    key = BlockKey(material)
    rng = np.random.default_rng(7)
    numbers = pl.Series(rng.permutation(DISTINCT) + 10**11).cast(pl.String)
    mails = pl.select(pl.format("u{}@shop.example", numbers)).to_series().str.slice(0, 30)
    _say(f"e-mails of {mails.str.len_bytes().min()} to {mails.str.len_bytes().max()} bytes, {DISTINCT:,} distinct ones")
    _rate("root tokens (AES-256-CMAC)", DISTINCT, lambda: cmac(key, mails))
    form = canonical_form(FormName.EMAIL)
    _rate("canonical form and root token", DISTINCT, lambda: cmac(key, form.column(mails)))
    tokens = cmac(key, mails)
    many = np.tile(tokens, (10, 1))
    _rate("token to token (one AES block)", len(many), lambda: domain_tokens(key, many))
    text = written(tokens, LINEAGE)
    _rate("tokens to their written form", DISTINCT, lambda: written(tokens, LINEAGE))
    _rate("and back", DISTINCT, lambda: unwritten(text, LINEAGE))
    some = mails.head(100_000)
    listed = [value.encode() for value in some]
    _say(compare("100 k e-mails, against one CMAC at a time (cryptography)", lambda: cmac(key, some),
                  lambda: [cmac_of(material, value) for value in listed]))  # fmt: skip
    if importlib.util.find_spec("tink") is None:
        _say("Tink is not installed: no ratio to its PRF-CMAC")
    else:
        _against_tink(key, some, listed)
    _receipts(int(sys.argv[1]) if len(sys.argv) > 1 else 10_000_000)


def _rate(label: str, count: int, work: Callable[[], object]) -> None:
    took = []
    for _ in range(5):
        start = time.perf_counter()
        work()
        took.append(time.perf_counter() - start)
    _say(f"{label:<64} {count / sorted(took)[2] / 1e6:10.1f} M/s")


def _against_tink(key: BlockKey, values: pl.Series, listed: list[bytes]) -> None:
    import tink  # noqa: PLC0415 - only where it is installed
    from tink import prf  # noqa: PLC0415 - as above

    prf.register()
    primitive = tink.new_keyset_handle(prf.prf_key_templates.AES_CMAC).primitive(prf.PrfSet).primary()
    label = "100 k e-mails, against Tink's PRF-CMAC"
    _say(compare(label, lambda: cmac(key, values), lambda: [primitive.compute(value, 16) for value in listed]))


def _receipts(rows: int) -> None:
    """A whole run as a process of its own, against polars reading and writing the same columns."""
    with tempfile.TemporaryDirectory() as folder:
        base = Path(folder)
        number = np.arange(rows)
        rng = np.random.default_rng(7)
        frame = pl.DataFrame(
            {
                "card": pl.Series(rng.integers(0, 100_000, rows) + 9 * 10**15).cast(pl.String),
                "receipt": pl.Series(number // 10).cast(pl.String),
                "sold_at": pl.Series(number % (365 * 86400) * 10**6 + 10**15).cast(pl.Datetime("us")),
                "item": pl.Series(rng.integers(0, 20_000, rows)).cast(pl.String),
                "quantity": pl.Series(rng.integers(1, 5, rows)).cast(pl.Float64),
                "value": pl.Series(rng.integers(1, 5000, rows) / 100),
            }
        )
        frame.write_parquet(base / "receipts.parquet")
        del frame
        (base / "fields.toml").write_text(FIELDS)
        run = [sys.executable, "-m", "pseudonymize"]
        subprocess.run([*run, "keys", "init", "--vault", base / "vault"], check=True, capture_output=True)  # noqa: S603 - our own command
        words = ["run", "--fields", base / "fields.toml", "--vault", base / "vault", "--out", base / "out"]
        start = time.perf_counter()
        done = subprocess.run(  # noqa: S603 - our own command
            [sys.executable, "-c", PEAK, *words, base / "receipts.parquet"], check=True, capture_output=True, text=True
        )
        ours = time.perf_counter() - start
        source, bare_file = str(base / "receipts.parquet"), str(base / "bare.parquet")
        bare = f"import polars as pl; pl.read_parquet({source!r}).write_parquet({bare_file!r})"
        start = time.perf_counter()
        subprocess.run([sys.executable, "-c", bare], check=True)  # noqa: S603 - a line of our own
        other = time.perf_counter() - start
    memory = int(done.stdout.split()[-1]) / 1e6
    _say(f"{rows:,} receipt rows, Parquet to Parquet: {ours:.1f} s, {memory:.2f} GB; polars reading and writing: "
          f"{other:.1f} s; {ours / other:.1f} times as long")  # fmt: skip


if __name__ == "__main__":
    _say(dt.datetime.now(dt.UTC).date())
    main()
