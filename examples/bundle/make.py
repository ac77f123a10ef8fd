"""Make the example bundle in models/: `python examples/bundle/make.py --models models`.

Learned from the generated purchases of `shop.py`, by the real commands. The key that signs it is thrown away: whoever
makes it again makes another key. What stood there under the same name goes.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

from shop import UNTIL, write_release

NAME: Final = "corner-shop"


def main() -> None:
    """Write the purchases, fit, and put bundle and public key into --models."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", type=Path, default=Path("models"))
    models: Path = parser.parse_args().models
    with tempfile.TemporaryDirectory() as work:
        folder = Path(work)
        write_release(folder / "release")
        train("keys", "init", "--signing-key", folder / "key")
        train(
            *("fit", "--purchases", folder / "release", "--subjects", folder / "release" / "subjects.parquet"),
            *("--catalogue", folder / "release" / "catalogue.parquet", "--level", "item", "--until", UNTIL),
            *("--profile", "test", "--models", folder / "models", "--name", NAME, "--signing-key", folder / "key"),
        )
        shutil.rmtree(models / NAME, ignore_errors=True)
        shutil.copytree(folder / "models" / NAME, models / NAME)
        shutil.copy(folder / "key.pub", models / f"{NAME}.pub")


def train(*arguments: object) -> None:
    """`recsys-train`."""
    subprocess.run([sys.executable, "-m", "training", *map(str, arguments)], check=True)  # noqa: S603 - our own command


if __name__ == "__main__":
    main()
