"""`recsys-train card`: the whole card of a bundle, with what was found out about it since it was sealed."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from recsys.bundle import Bundle, load_bundle
from recsys.console import say, warn
from recsys.contracts.document import decode_document
from recsys.contracts.manifest import CARD_FILE
from recsys.errors import BundleError, ContractError
from recsys.evaluation.bundle_runs import seal_of
from recsys.evaluation.results import RankingResult
from recsys.files import replacing
from training import options
from training.cards.html import card_page
from training.cards.judged import judged
from training.cards.lineage import lineage

_PAGE = "card.html"


def card_command(
    *,
    bundle: options.Bundle,
    trust: options.Trust,
    out: Annotated[Path, typer.Option(help="Folder for card.md and card.html")],
    results: Annotated[Path | None, typer.Option(help="Its ranking.json, of recsys-evaluate ranking")] = None,
    release: Annotated[Path | None, typer.Option(help="The release that it was learned from")] = None,
) -> None:
    """Write the card of a bundle: what is sealed in it, where it came from, how it was judged, where it is weak.

    Example: `recsys-train card --bundle models/grocery --trust S.pub --results report/ranking.json --release release
    --out card`
    """
    loaded = load_bundle(bundle, trust=trust)
    parts = [(loaded.path / CARD_FILE).read_text(encoding="utf-8").rstrip()]
    if release is not None:
        parts.append(lineage(loaded.manifest, release))
    if results is None:
        warn("Without --results the card says nothing of how the bundle ranks.")
    else:
        parts.append(judged(_result(results, loaded)))
    text = "\n\n".join(parts) + "\n"
    with replacing(out / CARD_FILE) as written, replacing(out / _PAGE) as drawn:  # both or neither
        written.write_text(text, encoding="utf-8")
        drawn.write_text(card_page(loaded.model_version, text), encoding="utf-8")
    say(f"The card of {loaded.model_version} is {out / CARD_FILE}; the page to read is {out / _PAGE}.")


def _result(path: Path, bundle: Bundle) -> RankingResult:
    if not path.is_file():
        raise ContractError("no such file", where=str(path), mend="Name the ranking.json of this bundle")
    result = decode_document(path.read_bytes(), RankingResult, where=str(path))
    if (result.run.candidate, result.run.bundle) != (bundle.model_version, seal_of(bundle)):
        raise BundleError(
            f"is not about {bundle.model_version}, or about other bytes of it",
            where=str(path),
            mend="Name the ranking.json of this bundle",
        )
    return result
