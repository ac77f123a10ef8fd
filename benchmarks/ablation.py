"""What each family of features adds: `python -m benchmarks.ablation`, about three minutes on a free machine.

A ranker is learned without one family after the other. NDCG@10 on the window before the test window; below .003 is
noise.
"""

from __future__ import annotations

import sys

from benchmarks.study import Study
from training.features.assemble import FAMILIES, columns_of


def main() -> None:
    """Print a line for each family."""
    report(Study.of())


def report(study: Study) -> None:
    """The table."""
    sys.stdout.write("| without | mixed | novel |\n|---|---|---|\n")
    for family in (None, *FAMILIES):
        hidden = None if family is None else columns_of(family)
        found = study.judge(study.scores(study.ranker(hidden), hidden=hidden))
        sys.stdout.write(f"| {family or 'nothing'} | {found.mixed:.4f} | {found.novel:.4f} |\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
