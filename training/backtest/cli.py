"""`recsys-train backtest`: what the recipe and the baselines would have listed, in several windows."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from recsys.console import parse_day, print_json, say, step, today, warn
from recsys.contracts.runs import SplitKind
from recsys.errors import OutputError
from recsys.evaluation.contenders import TRIALS
from recsys.evaluation.runs import write_runs
from recsys.evaluation.source import read_source
from training import options
from training.backtest.rolling import Rolling
from training.backtest.running import Backtest, backtest
from training.dataset import Sources
from training.levels import LevelChoice
from training.profiles import Profile


def backtest_command(  # noqa: PLR0913 - a command's options are its arguments
    *,
    purchases: options.Purchases,
    out: Annotated[Path, typer.Option(help="A new folder for the lists; they hold tokens")],
    catalogue: options.Catalogue = None,
    subjects: options.Subjects = None,
    guards: options.Guards = None,
    as_of: Annotated[
        str | None, typer.Option(help="The first day of the last window; else it ends with the data")
    ] = None,
    windows: Annotated[int, typer.Option(min=1, max=100, help="How many, one after the other")] = 5,
    horizon: Annotated[int, typer.Option(min=1, max=3650, help="Days of each")] = 28,
    split: Annotated[SplitKind, typer.Option(help="All that is bought in a window, or last baskets")] = SplitKind.TIME,
    level: options.Level = LevelChoice.AUTO,
    profile: Annotated[Profile, typer.Option(help="How much work the recipe does")] = Profile.DEFAULT,
    trials: Annotated[
        int,
        typer.Option(
            min=1, max=1000, help="Settings that each baseline may try before a window; the recipe tries its profile's"
        ),
    ] = TRIALS,
    seed: options.Seed = 0,
    json: options.Json = False,
) -> None:
    """Fit the recipe and every baseline before each of several windows, and write what each would have listed.

    Nothing dated in a window or after it is learned from or chosen by. Judge the lists with `recsys-evaluate ranking
    --runs`, on the same purchases; whoever has both can compute every figure again.

    Example: `recsys-train backtest --purchases release --catalogue catalogue.parquet --windows 5 --out runs`
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):  # before minutes of work
        raise OutputError("is not an empty folder", where=str(out), mend="Name a new one; nothing was written")
    day = parse_day(as_of, option="--as-of", latest=today()) if as_of else None
    asked = Backtest(
        Sources(purchases, subjects, catalogue, guards),
        Rolling(horizon, windows, day),
        split,
        level,
        profile,
        trials,
        seed,
    )
    with step("Reading purchases"):
        source = read_source(purchases, today=today())
    made = backtest(asked, source, today=today())
    manifest = write_runs(out, made.runs)
    for warning in made.warnings:
        warn(warning)
    names = ", ".join(window.name for window in manifest.windows)
    say(f"{out} holds the lists of {len(manifest.models)} models in {len(manifest.windows)} windows ({names}).")
    say(f"Judge them: recsys-evaluate ranking --runs {out} --purchases {purchases} --out …")
    if json:
        print_json(manifest)
