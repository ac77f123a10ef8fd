"""The pieces of a report: sections with sentences, tables and plots."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from rich.box import SIMPLE_HEAD
from rich.markup import escape
from rich.table import Table as TerminalTable

from recsys.evaluation.intervals import Estimate
from recsys.evaluation.report.words import EN_DASH, MINUS, signed

METRIC_NAMES: Final[Mapping[str, str]] = MappingProxyType(
    {"ndcg": "NDCG", "precision": "precision", "beyond": "beyond chance"}
)


@dataclass(frozen=True, slots=True)
class Table:
    """A table: the first column names the row, the others hold figures.

    Args:
        name: What the documentation calls it.
        caption: What it shows, and in what unit.
        columns: Their names.
        rows: Cells as text.
    """

    name: str
    caption: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    def on_terminal(self) -> TerminalTable:
        """For a screen."""
        table = TerminalTable(box=SIMPLE_HEAD, title=escape(self.caption), title_justify="left", title_style="italic")
        for number, column in enumerate(self.columns):
            table.add_column(escape(column), justify="right" if number else "left", no_wrap=not number)
        for row in self.rows:
            table.add_row(*map(escape, row))
        return table

    def as_markdown(self) -> str:
        """For the documentation."""
        rule = "|".join("---:" if number else "---" for number, _ in enumerate(self.columns))
        lines = [self.columns, *self.rows]
        head, *body = ["| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines]
        return "\n".join([head, f"|{rule}|", *body])


@dataclass(frozen=True, slots=True)
class Plot:
    """A drawing as SVG text, with what it shows in words."""

    svg: str
    alternative: str
    caption: str


@dataclass(frozen=True, slots=True)
class Section:
    """A part of a page.

    Args:
        title: Its heading.
        text: Paragraphs.
        terms: What words in it mean: the word, and a sentence.
        tables: Its tables.
        plots: Its drawings, after the tables.
    """

    title: str
    text: tuple[str, ...] = ()
    terms: tuple[tuple[str, str], ...] = ()
    tables: tuple[Table, ...] = ()
    plots: tuple[Plot, ...] = ()


@dataclass(frozen=True, slots=True)
class Report:
    """A page.

    Args:
        title: The question that it answers.
        lead: What was asked of whom.
        care: What a reader has to know before believing the figures.
        sections: The rest.
        facts: How it was measured.
    """

    title: str
    lead: str
    care: tuple[str, ...]
    sections: tuple[Section, ...]
    facts: tuple[str, ...]

    def tables(self) -> list[Table]:
        """All tables in order."""
        return [table for section in self.sections for table in section.tables]


def count(value: int) -> str:
    """`12,345`."""
    return f"{value:,}"


def percent(estimate: Estimate, places: int = 1) -> str:
    """A share as `12.3 [11.0, 13.6]`, in per cent."""
    low, high = (f"{100 * end:.{places}f}" for end in (estimate.low, estimate.high))
    return f"{100 * estimate.mean:.{places}f} [{low}, {high}]"


def share(part: int, whole: int) -> str:
    """A share in per cent."""
    return f"{100 * part / whole:.1f}" if whole else EN_DASH


def plain(estimate: Estimate, places: int = 3) -> str:
    """`0.313 [0.301, 0.325]`, without the zeros."""
    mean, low, high = (_short(value, places) for value in (estimate.mean, estimate.low, estimate.high))
    return f"{mean} [{low}, {high}]"


def change(estimate: Estimate, places: int = 4) -> str:
    """`+.0061 [+.0031, +.0091]`; `0` where nothing changed for anybody."""
    if estimate.mean == estimate.low == estimate.high == 0:
        return "0"
    return f"{signed(estimate.mean, places)} [{signed(estimate.low, places)}, {signed(estimate.high, places)}]"


def whole_change(estimate: Estimate) -> str:
    """As `change`, in whole numbers."""
    mean, low, high = (f"{value:+.0f}".replace("-", MINUS) for value in (estimate.mean, estimate.low, estimate.high))
    return f"{mean} [{low}, {high}]"


def number(estimate: Estimate, places: int = 1) -> str:
    """`9.6 [9.5, 9.7]`."""
    return f"{estimate.mean:.{places}f} [{estimate.low:.{places}f}, {estimate.high:.{places}f}]"


def spoken(name: str) -> str:
    """A name from the data as it is said: `household_size` is `household size`."""
    return name.replace("_", " ")


def words(items: Iterable[str]) -> str:
    """`a, b and c`."""
    *first, last = items
    return f"{', '.join(first)} and {last}" if first else last


def _short(value: float, places: int) -> str:
    text = f"{abs(value):.{places}f}".removeprefix("0") if abs(value) < 1 else f"{abs(value):.{places}f}"
    return f"{MINUS}{text}" if round(value, places) < 0 else text
