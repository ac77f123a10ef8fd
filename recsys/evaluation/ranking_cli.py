"""`recsys-evaluate ranking`: runs, or a bundle beside the baselines, judged by one and the same path."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from recsys.bundle import Bundle, load_bundle
from recsys.console import parse_day, print_json, say, screen, step, today, warn
from recsys.contracts.document import encode_document
from recsys.contracts.runs import SplitKind
from recsys.errors import UsageError
from recsys.evaluation import options
from recsys.evaluation.bundle_runs import Asked, bundle_runs, check_domain, check_unseen
from recsys.evaluation.fresh import counted_purchases
from recsys.evaluation.ranking import judge_runs
from recsys.evaluation.report.page import ranking_page
from recsys.evaluation.report.remarks import remarks
from recsys.evaluation.report.tables import ranking_tables
from recsys.evaluation.results import RANKING_FILE, RankingResult
from recsys.evaluation.runs import RunSet, read_runs
from recsys.evaluation.source import Source, read_source
from recsys.files import replacing

_PAGE = "ranking.html"


def ranking(  # noqa: PLR0913, PLR0917 - a command's options are its arguments
    purchases: Annotated[Path, typer.Option("--purchases", help="Purchases: a file, or the folder of a release.")],
    out: Annotated[Path, typer.Option("--out", help="Folder for ranking.json and ranking.html.")],
    runs: Annotated[Path | None, typer.Option("--runs", help="Lists that `recsys-train backtest` wrote.")] = None,
    bundle: Annotated[
        Path | None, typer.Option("--bundle", help="models/NAME (its current version), or models/NAME/VERSION.")
    ] = None,
    trust: Annotated[Path | None, typer.Option("--trust", help="The key that must have signed the bundle.")] = None,
    as_of: Annotated[
        str | None, typer.Option("--as-of", help="Of a bundle: the first day to judge; history is what lies before it.")
    ] = None,
    horizon: Annotated[int | None, typer.Option("--horizon", min=1, max=3650, help="How many days; 28.")] = None,
    split: Annotated[SplitKind | None, typer.Option("--split", help="All bought in the days, or last baskets.")] = None,
    subjects: options.CountedSubjects = None,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of the intervals' resamples.")] = 0,
    json: Annotated[bool, typer.Option("--json", help="Print the figures as one line of JSON.")] = False,  # noqa: FBT002 - a flag of the command line
) -> None:
    """Judge lists on what people bought next: those of --runs, or those of a --bundle beside the baselines.

    A bundle must not have been trained on anything dated on or after --as-of; it is held against baselines that need no
    learning. Its item statistics are computed from what lies before: of the --subjects who agreed to training. Runs
    hold the lists of several models in several windows; nothing is learned here.

    Example: `recsys-evaluate ranking --runs runs --purchases release --out report`, or

    `recsys-evaluate ranking --bundle models/grocery --trust S.pub --purchases release --as-of 2017-11-27
    --horizon 28 --out report`
    """
    loaded = None
    if runs is not None:
        _refuse_with_runs(bundle=bundle, trust=trust, as_of=as_of, horizon=horizon, split=split, subjects=subjects)
        with step("Reading lists and purchases"):
            given, source = read_runs(runs), read_source(purchases, today=today())
    else:
        if bundle is None or trust is None or as_of is None:
            raise UsageError(
                "needs --runs, or --bundle with --trust and --as-of", where="ranking", mend="See its --help"
            )
        asked = Asked(parse_day(as_of, option="--as-of", latest=today()), horizon or 28, split or SplitKind.TIME)
        loaded = load_bundle(bundle, trust=trust)
        given, source = _of_bundle(loaded, (purchases, subjects), asked, seed=seed)
    _judge(given, source, out, bundle=loaded, seed=seed, json=json)


def _of_bundle(bundle: Bundle, files: tuple[Path, Path | None], asked: Asked, *, seed: int) -> tuple[RunSet, Source]:
    purchases, subjects = files
    check_unseen(bundle, asked.as_of)
    with step("Reading purchases"):
        source = read_source(purchases, today=today())
    check_domain(bundle, source.lineage, where=str(purchases))
    counted = counted_purchases(source, bundle, path=purchases, subjects=subjects)
    with step("Listing"):
        return bundle_runs(bundle, source, asked, counted, seed=seed), source


def _judge(runs: RunSet, source: Source, out: Path, *, bundle: Bundle | None, seed: int, json: bool) -> None:
    with step("Judging"):
        result = judge_runs(runs, source, seed=seed, bundle=bundle)
    with step("Drawing the page"):
        page = ranking_page(result)
    with replacing(out / RANKING_FILE) as figures, replacing(out / _PAGE) as drawn:  # both or neither
        figures.write_bytes(encode_document(result))
        drawn.write_text(page, encoding="utf-8")
    _tell(result)
    say(f"The page to read is {out / _PAGE}.")
    if json:
        print_json(result)


def _tell(result: RankingResult) -> None:
    for remark in remarks(result):
        warn(remark)
    for table in ranking_tables(result):
        screen.print(table)


def _refuse_with_runs(**options: object) -> None:
    """The days and the split of runs stand in them."""
    for name, value in options.items():
        if value is not None:
            raise UsageError("stands in the runs already", where=f"--{name.replace('_', '-')}", mend="Leave it out")
