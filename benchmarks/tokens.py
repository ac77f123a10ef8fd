"""How fast tokens are made, against what else one could do: `python -m benchmarks.tokens`.

Of processor time, over all threads: a million tokens a second is a million a second on one core.
"""

from __future__ import annotations

import secrets
import sys
from collections.abc import Callable

import numpy as np
import polars as pl
import tink
from tink import prf

from benchmarks.timing import compare, seconds
from pseudonymize.canonical import FormName, canonical_form
from pseudonymize.cmac import cmac
from pseudonymize.keys import BlockKey
from pseudonymize.reference import cmac_of
from pseudonymize.tokens import domain_tokens, unwritten, written
from recsys.contracts.token import Lineage

LINEAGE = Lineage("rec", "01")
DISTINCT, COMPARED, MOVED = 1_000_000, 100_000, 10_000_000


def main() -> None:
    """Print what each step makes a second, and how many times as fast as one CMAC at a time it is."""
    material = secrets.token_bytes(32)
    key = BlockKey(material)
    mails = e_mails()
    lengths = mails.str.len_bytes().to_numpy()
    print(f"{DISTINCT:,} distinct e-mail addresses of {lengths.min()} to {lengths.max()} bytes")  # noqa: T201 - a script's result
    form = canonical_form(FormName.EMAIL)
    roots = cmac(key, mails)
    text = written(roots, LINEAGE)
    many = np.tile(roots, (MOVED // DISTINCT, 1))
    rate("root tokens (AES-256-CMAC)", DISTINCT, lambda: cmac(key, mails))
    rate("canonical form and root token", DISTINCT, lambda: cmac(key, form.column(mails)))
    rate("token to token (one AES block each), 16 bytes in and out", MOVED, lambda: domain_tokens(key, many))
    rate("tokens to their written form", DISTINCT, lambda: written(roots, LINEAGE))
    rate("and back", DISTINCT, lambda: unwritten(text, LINEAGE))
    some = mails.head(COMPARED)
    listed = [value.encode() for value in some]
    prf.register()
    theirs = tink.new_keyset_handle(prf.prf_key_templates.AES_CMAC).primitive(prf.PrfSet).primary()
    for label, other in (
        ("100 k e-mails, against Tink's PRF-CMAC", lambda: [theirs.compute(value, 16) for value in listed]),
        ("100 k e-mails, against cryptography's CMAC", lambda: [cmac_of(material, value) for value in listed]),
    ):
        print(compare(label, lambda: cmac(key, some), other))  # noqa: T201 - a script's result


def e_mails() -> pl.Series:
    """Distinct addresses of 20 to 30 bytes, in no order."""
    rng = np.random.default_rng(7)
    names = pl.DataFrame({"number": rng.permutation(DISTINCT), "longer": rng.integers(0, 11, DISTINCT)})
    padded = pl.col("number").cast(pl.String).str.zfill(7) + pl.lit("x").repeat_by("longer").list.join("")
    return names.select(pl.format("u{}@shop.example", padded)).to_series().str.head(30)


def rate(label: str, count: int, work: Callable[[], object]) -> None:
    """Print how many a second: the median of seven times, after one unmeasured."""
    work()
    took = [seconds(work) for _ in range(7)]
    print(f"{label:<64} {count / sorted(took)[3] / 1e6:10.1f} M/s")  # noqa: T201 - a script's result
    sys.stdout.flush()


if __name__ == "__main__":
    main()
