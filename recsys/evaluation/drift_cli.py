"""`recsys-evaluate drift`: has what people buy changed so much that a bundle should be learned again."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from recsys.bundle import load_bundle
from recsys.console import parse_day, print_json, say, screen, step, today
from recsys.contracts.catalogue import CATALOGUE
from recsys.contracts.document import encode_document
from recsys.errors import UsageError
from recsys.evaluation.bundle_runs import check_domain
from recsys.evaluation.drifting import DRIFT_FILE, DriftResult, find_drift
from recsys.evaluation.report.drift_page import drift_page
from recsys.evaluation.source import read_source
from recsys.files import replacing

_PAGE = "drift.html"


def drift(  # noqa: PLR0913, PLR0917 - a command's options are its arguments
    purchases: Annotated[Path, typer.Option("--purchases", help="Purchases: a file, or the folder of a release.")],
    before: Annotated[str, typer.Option("--before", help="The first day of the one period.")],
    after: Annotated[str, typer.Option("--after", help="The first day of the other, which comes later.")],
    out: Annotated[Path, typer.Option("--out", help="Folder for drift.json and drift.html.")],
    horizon: Annotated[int, typer.Option("--horizon", min=1, max=3650, help="How many days each has.")] = 28,
    catalogue: Annotated[Path | None, typer.Option("--catalogue", help="For categories.")] = None,
    bundle: Annotated[Path | None, typer.Option("--bundle", help="For its scores in both periods.")] = None,
    trust: Annotated[Path | None, typer.Option("--trust", help="The key that must have signed the bundle.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print the figures as one line of JSON.")] = False,  # noqa: FBT002 - a flag of the command line
) -> None:
    """Compare two periods by items, categories, rhythm and scores, and say whether to learn again.

    Example: `recsys-evaluate drift --purchases release --before 2017-10-30 --after 2017-11-27
    --catalogue catalogue.parquet --bundle models/grocery --trust S.pub --out drift`
    """
    first = parse_day(before, option="--before", latest=today())
    second = parse_day(after, option="--after", latest=today())
    if (second - first).days < horizon:
        raise UsageError(
            f"is less than {horizon} days after --before", where="--after", mend="Let the periods not overlap"
        )
    if (bundle is None) != (trust is None):
        raise UsageError("come together", where="--bundle and --trust", mend="Give both, or neither")
    with step("Reading purchases"):
        source = read_source(purchases, today=today())
        placed = CATALOGUE.read(catalogue) if catalogue else None
    loaded = load_bundle(bundle, trust=trust) if bundle and trust else None
    if loaded is not None:
        check_domain(loaded, source.lineage, where=str(purchases))
    with step("Comparing"):
        result = find_drift(source, first, second, horizon, catalogue=placed, bundle=loaded)
    page = drift_page(result)
    with replacing(out / DRIFT_FILE) as figures, replacing(out / _PAGE) as drawn:  # both or neither
        figures.write_bytes(encode_document(result))
        drawn.write_text(page, encoding="utf-8")
    screen.print(_table(result))
    say(f"{result.advice} The page to read is {out / _PAGE}.")
    if json:
        print_json(result)


def _table(result: DriftResult) -> Table:
    table = Table(title=f"{result.horizon} days from {result.before} and from {result.after}", title_justify="left")
    for column in ("what", "PSI", "by chance", "KS", "verdict"):
        table.add_column(column, justify="left" if column in {"what", "verdict"} else "right")
    for one in result.drifts:
        distance = "" if one.ks is None else f"{one.ks:.3f}"
        table.add_row(one.what, f"{one.psi:.3f}", f"< {one.noise:.3f}", distance, one.verdict.value)
    return table
