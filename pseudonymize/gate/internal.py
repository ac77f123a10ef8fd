"""An internal release: measured and told, and generalised where the policy says."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np
import polars as pl

from pseudonymize.gate.attributes import attribute_names, classes_of, suppress_file
from pseudonymize.gate.estimate import Estimate
from pseudonymize.gate.histories import Histories, generalised, postings
from pseudonymize.gate.labels import Labels, labels_of
from pseudonymize.gate.lines import Gathering, Reader, share_of
from pseudonymize.gate.rare import Buyers, Rare, rewrite
from pseudonymize.gate.settings import Classes, Days, GateSettings, Level, RareItems, Setting
from pseudonymize.gate.unicity import unicity
from pseudonymize.gate.verdict import Figure, Measure, estimated, exact
from recsys.contracts.evaluation_sets import DEMOGRAPHICS
from recsys.contracts.subjects import SUBJECTS

PURCHASES_FILE: Final = "purchases.parquet"
SUBJECTS_FILE: Final = "subjects.parquet"
DEMOGRAPHICS_FILE: Final = "demographics.parquet"
_MOST_ROWS: Final = 1_000_000  # looked at for unicity: a part of the subjects bounds what holds for all
_TRIED: Final = 2_000


def generalise(folder: Path, settings: GateSettings, paths: pl.DataFrame | None) -> tuple[tuple[str, ...], int]:
    """Change the tables in `folder` as the policy says; what was done, in words, and how many purchases went."""
    done, gone = [], 0
    if settings.classes is Classes.SUPPRESS and (folder / SUBJECTS_FILE).is_file():
        people = suppress_file(folder / SUBJECTS_FILE, k=settings.k)
        done.append(f"attributes emptied of {people:,} people, so that {settings.k} share what is left")
    if (folder / PURCHASES_FILE).is_file() and (settings.days is not Days.DAY or _changes_items(settings)):
        gone = rewrite(folder / PURCHASES_FILE, settings, paths)
        if _changes_items(settings):
            merged = "merged into wider categories, or " if settings.rare_items is RareItems.MERGE else ""
            done.append(f"items of fewer than {settings.k} subjects {merged}dropped: {gone:,} purchases")
        if settings.days is not Days.DAY:
            done.append(f"days made coarser: the {settings.days}")
    return tuple(done), gone


def attribute_figures(folder: Path, settings: GateSettings, sensitive: frozenset[str], *, held: bool) -> list[Figure]:
    """Of the subjects table, if there is one; `held`: whether the release must keep k and l."""
    if not (folder / SUBJECTS_FILE).is_file():
        return []
    people = SUBJECTS.read(folder / SUBJECTS_FILE)
    if not attribute_names(people):
        return []
    judged = None
    if (folder / DEMOGRAPHICS_FILE).is_file():
        judged = DEMOGRAPHICS.read(folder / DEMOGRAPHICS_FILE)
    is_sensitive = pl.col("attribute").is_in(sorted(sensitive))
    known = judged.filter(is_sensitive) if judged is not None and sensitive else None
    found = classes_of(people, k=settings.k, sensitive=known)
    figures = [
        exact(Measure.K_ANONYMITY, found.smallest, share=False, least=settings.k if held else None),
        exact(Measure.BELOW_K, found.below / max(found.people, 1)),
    ]
    if judged is not None:
        plain = judged.filter(~is_sensitive).pivot("attribute", index="subject", values="group")
        both = classes_of(people.join(plain, on="subject", how="left", suffix=" judged"), k=settings.k)
        figures.append(exact(Measure.BELOW_K_JUDGED, both.below / max(both.people, 1)))
    if found.diversity is not None:
        figures.append(exact(Measure.L_DIVERSITY, found.diversity, share=False, least=settings.l if held else None))
    return figures


def purchase_figures(folder: Path, settings: GateSettings, *, seed: int = 0) -> tuple[list[Figure], int]:
    """Of the purchases, if there are any, and how many subjects bought."""
    path = folder / PURCHASES_FILE
    if not path.is_file():
        return [], 0
    reader, buyers = Reader(path), Buyers(settings.k)
    gathering = Gathering(reader, share=share_of(reader.rows, _MOST_ROWS))
    for part in reader.parts():
        buyers.add(part.subject, part.item)
        gathering.add(part)
    lines, figures = gathering.lines(), rare_figures(buyers.figures())
    items = labels_of(lines.items, Level.ITEM, None)
    anything = Labels(pl.Series(["anything"]), np.zeros(len(lines.items), np.int64))
    for measure, labels, days in (
        (Measure.ITEMS, items, Days.NONE),
        (Measure.DATES, anything, Days.DAY),
        (Measure.DATED_ITEMS, items, Days.DAY),
    ):
        rng = np.random.default_rng(seed)
        histories = generalised(lines, labels, Setting(days=days), k=1, rng=rng)
        figures.append(estimated(measure, _unique(histories, settings, rng)))
    return figures, len(reader.subjects.values)


def rare_figures(rare: Rare) -> list[Figure]:
    """How much is rare."""
    return [
        exact(Measure.RARE_ITEMS, rare.items / max(rare.of_items, 1)),
        exact(Measure.RARE_ROWS, rare.rows / max(rare.of_rows, 1)),
    ]


def _unique(histories: Histories, settings: GateSettings, rng: np.random.Generator) -> Estimate:
    found = unicity(histories, postings(histories), known=settings.known, k=settings.k, most=_TRIED, rng=rng)
    return found.unique


def _changes_items(settings: GateSettings) -> bool:
    return settings.rare_items is not RareItems.REPORT
