"""An external release: purchases as few, short and coarse as it takes, the popularity of categories, nothing else.

Every row is a subject, a thing and a day, once, with quantity 1. Amounts, receipts and channels do not go: an exact
amount singles out as well as a name. Attributes and evaluation sets do not go either.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec
import numpy as np
import polars as pl
import pyarrow.parquet as pq

from pseudonymize.gate.exactness import exactness_of, is_finer
from pseudonymize.gate.histories import Histories, generalised
from pseudonymize.gate.internal import PURCHASES_FILE, attribute_figures, rare_figures
from pseudonymize.gate.labels import Labels, labels_of
from pseudonymize.gate.lines import Lines, tokens_in
from pseudonymize.gate.papers import papers_inside
from pseudonymize.gate.popularity import POPULARITY, popularity
from pseudonymize.gate.rare import rare_in
from pseudonymize.gate.settings import Days, Keep, Level, Setting
from pseudonymize.gate.trials import THOROUGH, Ground, Trial, Trials, search
from pseudonymize.gate.verdict import Figure, Measure, estimated
from recsys.contracts.purchases import PURCHASES

POPULARITY_FILE: Final = "popularity.parquet"
_ALLOWED: Final = frozenset({"subject", "item", "day", "quantity"})
_CONFIRMED: Final = 6  # proposals that are measured again on everybody
_SHOWN: Final = 10


@dataclass(frozen=True, slots=True)
class Draw:
    """A release as it was drawn, with what it came to."""

    trial: Trial
    histories: Histories
    labels: Labels


def draw(ground: Ground, setting: Setting, *, seed: int) -> Draw:
    """Draw a release, and attack it with all care. Whoever knows the seed can draw the same."""
    trials = Trials(ground, THOROUGH)
    trial, histories = trials.trial(setting, np.random.default_rng(seed))
    return Draw(trial, histories, trials.labels(setting.level))


def proposals(ground: Ground) -> tuple[Trial, ...]:
    """Settings that pass, the most telling first; the first one was confirmed on everybody."""
    found = search(ground)
    for number, trial in enumerate(found[:_CONFIRMED]):
        confirmed = draw(ground, trial.setting, seed=ground.seed).trial
        if confirmed.passes(ground.settings.external.limit):
            return (confirmed, *found[number + 1 : number + _SHOWN])
    return ()


def write(folder: Path, ground: Ground, drawn: Draw) -> int:
    """Put the release that was drawn in the place of what is in `folder`; how many purchases went."""
    path = folder / PURCHASES_FILE
    before = pq.read_metadata(path).num_rows
    frame = _table(drawn, ground.lines, _tokens_of(path, ground.lines))
    for old in folder.glob("*.parquet"):
        old.unlink()
    PURCHASES.write(frame, path)
    counts = popularity_of(ground)
    if counts is not None and counts.height:
        POPULARITY.write(counts, folder / POPULARITY_FILE)
    return int(before) - frame.height


def popularity_of(ground: Ground) -> pl.DataFrame | None:
    """What goes beside the histories; nothing without a catalogue."""
    if ground.paths is None:
        return None
    wanted = labels_of(ground.lines.items, ground.settings.external.popularity, ground.paths)
    return popularity(ground.lines, wanted, k=ground.settings.k)


def trial_figures(trial: Trial, limit: float) -> list[Figure]:
    """The two that an external release is held to."""
    return [
        estimated(Measure.UNICITY, trial.unique, limit=limit),
        estimated(Measure.LINKAGE, trial.linked, limit=limit),
    ]


def changes(setting: Setting, k: int) -> tuple[str, ...]:
    """What was generalised, in words."""
    return (
        f"purchases say: {setting}",
        f"points of fewer than {k} subjects are left out",
        "amounts, receipts, channels, attributes and evaluation sets are left out",
    )


def judged(folder: Path, ground: Ground, made: Setting) -> tuple[Trial, list[Figure], list[str]]:
    """Measure what lies in a folder: the trial, all figures, and what must not be there.

    Args:
        folder: The release.
        ground: Its lines, and the attacker's, whose items are at the release's level already.
        made: How the release was generalised.
    """
    settings, path = ground.settings, folder / PURCHASES_FILE
    trials = Trials(ground, THOROUGH)
    labels = trials.labels(Level.ITEM)
    trial = _attacked(trials, labels, made)
    rare, _ = rare_in(path, settings.k)
    figures = trial_figures(trial, settings.external.limit)
    figures += [_forbidden(figure) for figure in rare_figures(rare)]
    figures += attribute_figures(folder, settings, frozenset(), held=True)
    faults = _faults(folder, settings.k)
    if is_finer(ground.lines.day, made.days):
        faults.append(f"{PURCHASES_FILE} is dated more exactly than by {made.days}, as its gate.json says")
    return trial, figures, faults


def _attacked(trials: Trials, labels: Labels, made: Setting) -> Trial:
    """The best of the attacks on what lies there, with its days as they lie there.

    Where the attacker has other purchases than these, they are made as coarse as the release's days may have been made,
    and as short as its histories, in every such way: what is said of how the release was made takes no attack away.
    """
    ground = trials.ground
    if ground.own is ground.lines:  # they are as coarse and as short as the release's already
        return trials.attacked(_as_they_lie(ground, labels, Days.DAY), Setting())
    found = []
    for days in exactness_of(ground.lines.day):
        released = _as_they_lie(ground, labels, days)
        lengths = {int(np.diff(released.starts).max(initial=0)), *([made.most] if made.keep is Keep.LAST else [])}
        settings = [Setting(days=days, keep=Keep.LAST, most=most) for most in sorted(lengths)]
        found += [trials.attacked(released, setting) for setting in settings]  # each tries whole ones, too
    unique = max((trial.unique for trial in found), key=lambda estimate: estimate.high)
    return msgspec.structs.replace(max(found, key=lambda trial: trial.linked.high), unique=unique)


def _as_they_lie(ground: Ground, labels: Labels, days: Days) -> Histories:
    return generalised(ground.lines, labels, Setting(days=days), k=1, rng=np.random.default_rng(ground.seed))


def relabelled(lines: Lines, level: Level, paths: pl.DataFrame | None) -> Lines:
    """The same purchases, with the labels of a level for items; those without one are left out."""
    labels = labels_of(lines.items, level, paths)
    place = labels.place[lines.item]
    placed = place >= 0
    return Lines(lines.people, labels.names, lines.subject[placed], place[placed].astype(np.uint32), lines.day[placed])


def _forbidden(figure: Figure) -> Figure:
    return Figure(measure=figure.measure, value=figure.value, low=figure.low, high=figure.high, limit=0.0)


def _faults(folder: Path, k: int) -> list[str]:
    faults = []
    more = sorted(path.name for path in folder.glob("*.parquet") if path.name not in {PURCHASES_FILE, POPULARITY_FILE})
    if more:
        faults.append(f"{', '.join(more)}: people's attributes and evaluation sets are not for a partner")
    papers = [path.name for path in papers_inside(folder)]
    if papers:
        faults.append(f"{' and '.join(papers)} tell of raw files and of the policy: a partner is not given them")
    if (folder / POPULARITY_FILE).is_file() and (POPULARITY.read(folder / POPULARITY_FILE)["subjects"] < k).any():
        faults.append(f"{POPULARITY_FILE} counts fewer than {k} subjects")
    path = folder / PURCHASES_FILE
    columns = sorted(set(pq.read_schema(path).names) - _ALLOWED)
    if columns:
        faults.append(f"{PURCHASES_FILE} has {', '.join(columns)}, by which a partner could join it to anything")
    amounts = pl.scan_parquet(path).select((pl.col("quantity") != 1).any()).collect().item()
    if amounts:
        faults.append(f"{PURCHASES_FILE} has quantities other than 1, and amounts single out")
    return faults


def _table(drawn: Draw, lines: Lines, tokens: pl.Series) -> pl.DataFrame:
    """In an order that says nothing about the order in which anything was bought."""
    histories, setting = drawn.histories, drawn.trial.setting
    days = pl.Series(histories.days.astype(np.int32)).cast(pl.Date)
    if setting.days is Days.NONE:
        first = dt.date(1970, 1, 1) + dt.timedelta(days=int(lines.day.min()))
        days = pl.repeat(first.replace(month=1, day=1), len(days), dtype=pl.Date, eager=True)
    frame = pl.DataFrame(
        {
            "subject": tokens.gather(histories.subjects[histories.owners]),
            "item": drawn.labels.names.gather(histories.labels[histories.points]),
            "day": days.gather(histories.points),
        }
    )
    return frame.with_columns(quantity=pl.lit(1.0)).sort("subject", "item", "day")


def _tokens_of(path: Path, lines: Lines) -> pl.Series:
    """The token of each of the lines' people."""
    tokens = tokens_in(path)
    known = pl.DataFrame({"token": tokens, "hash": tokens.hash()})
    people = pl.DataFrame({"hash": lines.people})
    return people.join(known, on="hash", how="left", maintain_order="left")["token"]
