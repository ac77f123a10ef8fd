"""Which bundles were learned from a person's purchases, by their lineage."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import polars as pl

from recsys.contracts.dataset import Dataset
from recsys.contracts.document import decode_document
from recsys.contracts.erasure import AffectedBundle
from recsys.contracts.manifest import MANIFEST_FILE, Manifest, TrainingData


@dataclass(frozen=True, slots=True)
class Covered:
    """Bundles whose data and window cover a person's rows, and bundles of the domain that nothing is known of.

    Args:
        affected: Learned from a state of this dataset, or from one of its releases, that held rows in the window.
        unknown: `name/version` of those that name neither: whether they held the person cannot be told.
    """

    affected: tuple[AffectedBundle, ...]
    unknown: tuple[str, ...]


def covered(models: Path, dataset: Dataset, rows: pl.DataFrame) -> Covered:
    """Look through `models/*/*/manifest.json`.

    A bundle is named though the person may not have agreed to training then: naming one too many does no harm.

    Args:
        models: Where bundles live.
        dataset: As it is before the person's rows go.
        rows: `release, day`: the position of the release that brought each row of the person's purchases.
    """
    affected: list[AffectedBundle] = []
    unknown: list[str] = []
    for path in sorted(models.glob(f"*/*/{MANIFEST_FILE}")):
        manifest = decode_document(path.read_bytes(), Manifest, where=str(path))
        if manifest.data.domain != dataset.domain:
            continue
        releases = _releases(manifest.data, dataset)
        if releases is None:
            unknown.append(f"{manifest.name}/{manifest.version}")
        elif _holds(manifest.data, releases, rows):
            affected.append(AffectedBundle(name=manifest.name, version=manifest.version, serves_until=None))
    return Covered(tuple(affected), tuple(unknown))


def _releases(data: TrainingData, dataset: Dataset) -> list[int] | None:
    """The positions of the releases that a bundle was learned from; None where the dataset does not know them."""
    held = [state.releases for state in dataset.states if state.fingerprint == data.release]
    if held:
        return list(range(max(held)))
    alone = [position for position, release in enumerate(dataset.releases) if release.release == data.release]
    return alone or None


def _holds(data: TrainingData, releases: list[int], rows: pl.DataFrame) -> bool:
    within = pl.col("day").is_between(data.first_day, data.until, closed="left")
    return not rows.filter(pl.col("release").is_in(releases) & within).is_empty()
