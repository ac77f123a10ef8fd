"""`recsys-train tune`: search for settings for longer than a fit would, and write them to a file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.table import Table

from recsys.amounts import amount
from recsys.console import print_json, say, screen, step, today, warn
from recsys.files import write_text
from training import options
from training.budget import MOST, journal_of, kept_until_done, parse_budget
from training.dataset import Sources, read_dataset
from training.ends import parse_until
from training.fit import Options, prepared
from training.levels import LevelChoice
from training.plan import Chosen, Search, choose
from training.profiles import Profile
from training.settings import written

_SHOWN = 10


def tune_command(  # noqa: PLR0913 - a command's options are its arguments
    *,
    purchases: options.Purchases,
    out: Annotated[Path, typer.Option(help="Where the settings go, for `fit --config`")],
    catalogue: options.Catalogue = None,
    subjects: options.Subjects = None,
    guards: options.Guards = None,
    until: options.Until = None,
    level: options.Level = LevelChoice.AUTO,
    profile: Annotated[Profile, typer.Option(help="Where the search starts")] = Profile.DEFAULT,
    budget: Annotated[str, typer.Option(help="Trials (60), or time (90s, 5m, 2h) and 1,000 trials at most")] = "60",
    seed: options.Seed = 0,
    json: options.Json = False,
) -> None:
    """Search for settings until the budget is spent, and write the best to a file.

    Nothing dated on or after --until is looked at. Trials are kept beside the file, so that an interrupted search goes
    on where it was when the same command is given again.

    Example: `recsys-train tune --purchases release --catalogue catalogue.csv --budget 1h --out config.toml`
    """
    allowed = parse_budget(budget)
    day = parse_until(until, today=today()) if until else None
    with step("Reading purchases"):
        dataset = read_dataset(Sources(purchases, subjects, catalogue, guards), until=day, today=today())
    with step("Counting purchase days"):
        work = prepared(dataset, Options(out.stem, level, profile, seed)).work
    journal = journal_of(out.parent, dataset.lineage, (level, profile, seed))
    with kept_until_done(journal):
        with step("Choosing settings") as tell:
            chosen = choose(work, Search(None, allowed.trials, allowed.seconds, journal), tell)
        write_text(out, written(chosen.settings))
    if chosen.trials:
        _show(chosen)
        ended = ", at which a search by time ends" if allowed.seconds and len(chosen.trials) == MOST else ""
        say(f"The best of {amount(len(chosen.trials), 'trial')}{ended}: {out}")
    for warning in chosen.warnings:
        warn(f"{warning}. {out} holds them.")
    if json:
        print_json(_as_json(chosen, out))


def _as_json(chosen: Chosen, out: Path) -> dict[str, object]:
    best = max(chosen.trials, key=lambda trial: trial.merit, default=None)
    return {
        "config": str(out),
        "settings": msgspec.to_builtins(chosen.settings),
        "quality": best and msgspec.to_builtins(best.quality),
        "trials": len(chosen.trials),
    }


def _show(chosen: Chosen) -> None:
    table = Table(title="The best trials, on the newest examples", title_justify="left")
    for column in ("factors", "regularization", "alpha", "transform", "decay", "mixed", "novel"):
        table.add_column(column)
    best = sorted(chosen.trials, key=lambda trial: trial.merit, reverse=True)
    for trial in best[:_SHOWN]:
        settings, quality = trial.settings, trial.quality
        table.add_row(
            str(settings.factors),
            f"{settings.regularization:.2f}",
            f"{settings.alpha:g}",
            str(settings.transform),
            f"{settings.decay:g}",
            f"{quality.mixed:.4f}",
            f"{quality.novel:.4f}",
        )
    screen.print(table)
