"""What factors are held to: how well somebody may tell who was learned from."""

from __future__ import annotations

from typing import Final

SUBJECTS: Final = 1_000  # from which the figure is held to the bar
BAR: Final = 0.53  # area under the curve
