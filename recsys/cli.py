"""The commands of `recsys-evaluate`."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Annotated, Final

import numpy as np
import polars as pl
import typer
from numpy.typing import NDArray

from recsys.amounts import amount
from recsys.bundle import Bundle, load_bundle
from recsys.console import new_app, parse_day, say, step, today, warn
from recsys.contracts.evaluation_sets import AS_OF, CANDIDATES
from recsys.contracts.table import check_ending, write_rows
from recsys.errors import ContractError
from recsys.evaluation import options
from recsys.evaluation.bundle_runs import check_domain
from recsys.evaluation.decide_cli import decide
from recsys.evaluation.drift_cli import drift
from recsys.evaluation.fresh import counted_purchases
from recsys.evaluation.offers_cli import offers
from recsys.evaluation.policy_cli import app as policy_app
from recsys.evaluation.ranking_cli import ranking
from recsys.evaluation.source import check_lineage, read_source
from recsys.evaluation.topk import list_top
from recsys.evaluation.uplift_cli import uplift
from recsys.scorer import Scorer

app: Final = new_app("Judge bundles on purchases that they have not seen. Tokens only; nothing here trains.")
app.command()(decide)
app.command()(uplift)
app.command()(ranking)
app.command()(drift)
app.command()(offers)
app.add_typer(policy_app, name="policy")


@app.command()
def topk(  # noqa: PLR0913, PLR0917 - a command's options are its arguments
    bundle: options.Bundle,
    trust: options.Trust,
    purchases: options.Purchases,
    as_of: Annotated[
        str, typer.Option("--as-of", help="A day, or a file with the columns subject and day; uses what lies before.")
    ],
    out: Annotated[Path, typer.Option("--out", help="The lists: .parquet or .csv.")],
    k: Annotated[int, typer.Option("--k", min=1, help="The length of a list.")] = 10,
    candidates: Annotated[
        Path | None, typer.Option("--candidates", help="A file with the column item: the model items to rank.")
    ] = None,
    subjects: options.CountedSubjects = None,
) -> None:
    """List the model items that a bundle ranks highest for each subject, without guards.

    Writes `subject, rank, item, score`. What was bought before may be listed again. Item statistics are computed from
    the purchases strictly before each day: of the --subjects who agreed to training. Without --candidates all model
    items are ranked where there are up to 2,500; of more, what the subject bought before, the 200 that the
    factorization likes best, and what is popular.

    Example: `recsys-evaluate topk --bundle models/grocery --trust S.pub --purchases release --as-of 2017-11-27 --k 10
    --out top.parquet`
    """
    check_ending(out)
    ends = _ends(as_of)
    loaded = load_bundle(bundle, trust=trust)
    _warn_of_seen_days(loaded, ends)
    with step("Reading purchases"):
        source = read_source(purchases, today=today())
    check_domain(loaded, source.lineage, where=str(purchases))
    if isinstance(ends, pl.DataFrame):
        check_lineage(ends["subject"], source.lineage, where=as_of)
    counted = counted_purchases(source, loaded, path=purchases, subjects=subjects)
    chosen = _candidates(candidates, loaded) if candidates else None
    with step("Ranking"):
        lists = list_top(Scorer(loaded), source.purchases, ends, k=k, candidates=chosen, counted=counted)
    write_rows(lists.rows, out)
    if lists.left_out:
        nothing = amount(lists.left_out, "subject has", "subjects have")
        warn(f"{nothing} no history that the bundle can use before their day: no list for them.")
    say(f"{out} holds lists for {amount(lists.listed, 'subject')}.")


def _candidates(path: Path, bundle: Bundle) -> NDArray[np.int64]:
    """The model items of a file, ascending; those that the bundle does not know are counted and left out."""
    codes = bundle.vocabulary.encode(CANDIDATES.read(path)["item"])
    known = np.unique(codes[codes >= 0]).astype(np.int64)
    if not len(known):
        raise ContractError(
            "names no model item of the bundle", where=str(path), mend="Take names of the bundle's vocabulary.parquet"
        )
    if len(known) < len(codes):
        unknown = amount(len(codes) - len(known), "candidate is no model item", "candidates are no model items")
        warn(f"{unknown} of the bundle: not ranked.")
    return known


def _ends(as_of: str) -> dt.date | pl.DataFrame:
    """A day for everyone, or a day for each subject."""
    if as_of.endswith((".parquet", ".csv")):
        return AS_OF.read(Path(as_of))
    return parse_day(as_of, option="--as-of", latest=today() + dt.timedelta(days=1))


def _warn_of_seen_days(bundle: Bundle, ends: dt.date | pl.DataFrame) -> None:
    first = ends if isinstance(ends, dt.date) else ends["day"].min()
    until = bundle.manifest.data.until
    if isinstance(first, dt.date) and until > first:
        warn(
            f"The bundle was trained on days before {until}, which lies after {first}: "
            "do not judge these lists on what was bought in between."
        )
