"""Write the corner shop as a release, to try things on: `python examples/bundle/release.py --out release`."""

from __future__ import annotations

import argparse
from pathlib import Path

from shop import write_release

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="The folder to write.")
    write_release(parser.parse_args().out)
