"""A card as one HTML page: the very text of card.md, readable offline and on paper."""

from __future__ import annotations

import html
from pathlib import Path
from typing import Final

from markdown_it import MarkdownIt

from recsys.evaluation import report

_STYLE: Final = Path(report.__file__).parent / "style.css"
_CARD: Final = """
main table { display: block; overflow-x: auto; margin-bottom: 1rem; }
td code, p code { font-size: .85em; overflow-wrap: anywhere; white-space: normal; }
thead:not(:has(th:not(:empty))) { display: none; }
"""


def card_page(title: str, markdown: str) -> str:
    """Render. Raw HTML in the text stays text."""
    body = MarkdownIt("commonmark", {"html": False}).enable("table").render(markdown)
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{html.escape(title)}</title>
<style>
{_STYLE.read_text(encoding="utf-8")}{_CARD}</style>
</head>
<body>
<main>
{body}</main>
</body>
</html>
"""
