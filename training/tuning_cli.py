"""`recsys-train tune`: search for settings for longer than a fit would, and write them to a file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from recsys.console import say, screen, step, today
from recsys.files import write_text
from recsys.history import day_number
from training.budget import Budget, journal_of, parse_budget
from training.dataset import Sources, read_dataset
from training.ends import parse_until
from training.fit import Options, prepared
from training.levels import LevelChoice
from training.plan import Chosen, Search, Work, choose
from training.profiles import EFFORTS, Profile
from training.settings import written
from training.windows import examples_of

_SHOWN = 10


def tune_command(  # noqa: PLR0913 - a command's options are its arguments
    *,
    purchases: Annotated[Path, typer.Option(help="A purchases file, a release's folder or a dataset")],
    out: Annotated[Path, typer.Option(help="Where the settings go, for `fit --config`")],
    catalogue: Annotated[Path | None, typer.Option(help="What the items are; without it, items as they are")] = None,
    subjects: Annotated[Path | None, typer.Option(help="Who agreed to training")] = None,
    guards: Annotated[Path | None, typer.Option(help="The policy that says what is not learned from")] = None,
    until: Annotated[
        str | None, typer.Option(help="Use nothing dated on or after this day; or a file with the columns subject, day")
    ] = None,
    level: Annotated[LevelChoice, typer.Option(help="What is learned: items, or their category")] = LevelChoice.AUTO,
    profile: Annotated[Profile, typer.Option(help="Where the search starts")] = Profile.DEFAULT,
    budget: Annotated[str, typer.Option(help="Trials (60) or time (90s, 5m, 2h)")] = "60",
    seed: Annotated[int, typer.Option(min=0, max=2**31 - 1, help="Same data, trials and seed, same settings")] = 0,
) -> None:
    """Search for settings and write them to a file. Nothing dated on or after --until is looked at.

    Trials are kept beside the file, so that an interrupted search goes on where it was.

    Example: `recsys-train tune --purchases release --catalogue catalogue.csv --budget 1h --out config.toml`
    """
    allowed: Budget = parse_budget(budget)
    day = parse_until(until, today=today()) if until else None
    with step("Reading purchases"):
        dataset = read_dataset(Sources(purchases, subjects, catalogue, guards), until=day, today=today())
    options = Options(out.stem, level, profile, seed)
    with step("Counting purchase days"):
        world = prepared(dataset, options).world
    end = day_number(dataset.lineage.until)
    work = Work(world, examples_of(world.record, end), end, EFFORTS[profile], seed)
    journal = journal_of(out.parent, dataset.lineage, (level, profile, seed))
    with step("Choosing settings") as tell:
        chosen = choose(work, Search(None, allowed.trials, allowed.seconds, journal), tell)
    write_text(out, written(chosen.settings))
    journal.unlink(missing_ok=True)
    _show(chosen)
    say(f"The best of {len(chosen.trials)} trials: {out}")


def _show(chosen: Chosen) -> None:
    table = Table(title="The best trials, on the newest examples", title_justify="left")
    for column in ("factors", "regularization", "alpha", "transform", "decay", "mixed", "novel"):
        table.add_column(column)
    best = sorted(chosen.trials, key=lambda trial: -trial.quality.against(chosen.trials[0].quality))
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
