"""What a fit can be told or choose for itself: the factorization's settings and the ranker's, as one flat record."""

from __future__ import annotations

import math
import tomllib
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import msgspec

from recsys.errors import UsageError
from training.factorize import Factorization, Transform
from training.features.aggregate import SCALES
from training.ranker import Ranker


class FactorizationSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Of `training.factorize.Factorization`; `decay` is the half-life of counts in time scales, 0 for none."""

    factors: Annotated[int, msgspec.Meta(ge=1, le=1024)] = 128
    regularization: Annotated[float, msgspec.Meta(gt=0)] = 0.6
    alpha: Annotated[float, msgspec.Meta(gt=0)] = 1.0
    transform: Transform = Transform.LOG1P
    decay: float = 0.0
    iterations: Annotated[int, msgspec.Meta(ge=1, le=100)] = 10

    def __post_init__(self) -> None:
        """Refuse a decay that no feature and no graph knows, and what is no number."""
        if self.decay not in (0.0, *SCALES):
            raise ValueError(f"decay is one of {', '.join(f'{scale:g}' for scale in (0.0, *SCALES))}")
        if not (math.isfinite(self.regularization) and math.isfinite(self.alpha)):
            raise ValueError("regularization and alpha are finite")

    def estimator(self, seed: int) -> Factorization:
        """The factorization with these settings."""
        return Factorization(
            self.factors,
            regularization=self.regularization,
            alpha=self.alpha,
            transform=self.transform,
            iterations=self.iterations,
            random_state=seed,
        )

    @property
    def half_life(self) -> float | None:
        """The half-life of counts in time scales."""
        return self.decay or None


class RankerSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Of `training.ranker.Ranker`."""

    hidden: Annotated[tuple[Annotated[int, msgspec.Meta(ge=1, le=4096)], ...], msgspec.Meta(min_length=1)] = (64, 32)
    seeds: Annotated[int, msgspec.Meta(ge=1, le=32)] = 6
    epochs: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 12
    resample: Annotated[int, msgspec.Meta(ge=1)] = 300_000
    distilled: bool = True

    def estimator(self, seed: int) -> Ranker:
        """The ranker with these settings."""
        return Ranker(
            self.hidden,
            seeds=self.seeds,
            epochs=self.epochs,
            resample=self.resample,
            distilled=self.distilled,
            random_state=seed,
        )


class ItemTable(StrEnum):
    """What the numbers of the items' factors are in the graph."""

    FLOAT32 = "float32"
    INT8 = "int8"  # a quarter of the size, where lists stay what they were (`training.rounding`)


class GraphSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Of the graph."""

    item_table: ItemTable = ItemTable.FLOAT32


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A configuration file (TOML): what it leaves out keeps its default."""

    factorization: FactorizationSettings = FactorizationSettings()
    ranker: RankerSettings = RankerSettings()
    graph: GraphSettings = GraphSettings()


def rounded(value: float) -> float:
    """To three significant digits: what a product of numbers leaves behind them (.7526400000000001) means nothing."""
    return float(f"{value:.3g}")


def read_settings(path: Path) -> Settings:
    """Read a configuration file.

    Raises:
        UsageError: It cannot be read, or holds a key or a value that means nothing.
    """
    try:
        return msgspec.convert(tomllib.loads(path.read_text(encoding="utf-8")), Settings)
    except OSError:
        raise UsageError("cannot be read", where=str(path), mend="Name a file that `tune` wrote") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError):
        raise UsageError("is not TOML", where=str(path), mend="Name a file that `tune` wrote") from None
    except msgspec.ValidationError as error:
        raise UsageError(f"says something impossible ({error})", where=str(path)) from None


def written(settings: Settings) -> str:
    """The text of a configuration file."""
    lines = []
    for table, values in msgspec.to_builtins(settings).items():
        lines += [f"[{table}]", *(f"{key} = {_toml(value)}" for key, value in values.items()), ""]
    return "\n".join(lines)


def _toml(value: object) -> str:
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(_toml(part) for part in value) + "]"
    if isinstance(value, bool):
        return str(value).lower()
    return f'"{value}"' if isinstance(value, str) else str(value)
