"""What hiding members costs: `python -m benchmarks.membership`, two minutes.

Complete Journey by type: the figures of the attack (`training/membership.py`) and NDCG@10 of the factorization alone on
the newest examples, at larger and larger shares of the noise edge. The table is in ADR 33.
"""

from __future__ import annotations

import datetime as dt
import sys
import tempfile
from pathlib import Path
from typing import Final

import msgspec
import numpy as np

from benchmarks.results.data import write_complete_journey
from training.dataset import Sources, read_dataset
from training.factorize import Transform
from training.fit import Options, prepared
from training.levels import LevelChoice
from training.membership import Attack, attack
from training.plan import Work, judged
from training.settings import FactorizationSettings, Settings

FITS: Final = (
    (dt.date(2017, 7, 1), FactorizationSettings(alpha=0.28, decay=8.0), (1.12, 1.4, 1.7)),
    (dt.date(2017, 11, 27), FactorizationSettings(transform=Transform.SQRT), (0.753, 0.843, 0.944, 1.06)),
)


def attacked(work: Work, settings: FactorizationSettings) -> Attack:
    """As `training.privacy` attacks."""
    half_life = None if settings.half_life is None else settings.half_life * work.world.tau
    counts = work.world.record.counts(work.until, half_life=half_life)
    return attack(settings.estimator(0), counts[np.flatnonzero(np.diff(counts.indptr))], seed=0)


def main() -> None:
    """Print the table."""
    sys.stdout.write(
        "| fitted up to | share | factors | popularity | beyond | mixed | novel |\n|---|---|---|---|---|---|---|\n"
    )
    with tempfile.TemporaryDirectory() as folder:
        write_complete_journey(Path(folder))
        sources = Sources(Path(folder) / "purchases.parquet", catalogue=Path(folder) / "catalogue.parquet")
        for until, start, shares in FITS:
            dataset = read_dataset(sources, until=until, today=dt.date(2018, 1, 1))
            work = prepared(dataset, Options("attacked", LevelChoice.TYPE)).work
            for share in shares:
                settings = msgspec.structs.replace(start, regularization=share)
                told, quality = attacked(work, settings), judged(work, Settings(factorization=settings))
                figures = f"{told.factors:.3f} | {told.popularity:.3f} | {told.beyond:.3f}"
                sys.stdout.write(f"| {until} | {share} | {figures} | {quality.mixed:.4f} | {quality.novel:.4f} |\n")
                sys.stdout.flush()


if __name__ == "__main__":
    main()
