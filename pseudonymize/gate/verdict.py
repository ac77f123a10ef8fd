"""What the gate found and decided: `gate.json` in a release, and the officer's page. Counts and shares only."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Final

import msgspec

from pseudonymize.gate.estimate import Estimate
from pseudonymize.gate.settings import GateSettings, ReleaseClass, Setting
from pseudonymize.gate.text_scan import TextFinding
from pseudonymize.gate.trials import Trial
from recsys.errors import RecsysError

GATE_FILE: Final = "gate.json"


class Measure(StrEnum):
    """What is measured; `pseudonymize.gate_words` says what each means."""

    K_ANONYMITY = "k-anonymity of attributes"
    BELOW_K = "people with attributes that fewer than k share"
    BELOW_K_JUDGED = "the same, counting the evaluation sets, too"
    L_DIVERSITY = "l-diversity of sensitive attributes"
    RARE_ITEMS = "items bought by fewer than k subjects"
    RARE_ROWS = "purchases of such items"
    ITEMS = "unicity of items"
    DATES = "unicity of dates"
    DATED_ITEMS = "unicity of items with their days"
    UNICITY = "unicity of released points"
    LINKAGE = "history linkage"


class Figure(msgspec.Struct, frozen=True, kw_only=True):
    """A figure with its 95 % bounds, and what it is held to: at most `limit`, or at least `least`; else only told."""

    measure: Measure
    value: float
    low: float
    high: float
    share: bool = True  # else a count
    limit: float | None = None
    least: float | None = None

    @property
    def passes(self) -> bool:
        """Whether it is as it must be, by the worse bound."""
        return (self.limit is None or self.high <= self.limit) and (self.least is None or self.low >= self.least)


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """The whole of it."""

    contract: Annotated[str, msgspec.Meta(pattern=r"^gate/1$")] = "gate/1"
    release: ReleaseClass
    settings: GateSettings
    subjects: int
    rows: int
    figures: tuple[Figure, ...]
    texts: tuple[TextFinding, ...] = ()
    faults: tuple[str, ...] = ()  # what else must not be in such a release
    canaries: int = 0  # names and identifiers that were looked for in the texts
    changes: tuple[str, ...] = ()  # what was generalised
    made: Setting | None = None  # how an external release is generalised
    steps: tuple[Trial, ...] = ()  # what each step does by itself
    proposals: tuple[Trial, ...] = ()  # what would pass
    lay_there: bool = False  # a release was judged that was there already, and nothing was to be written

    @property
    def passed(self) -> bool:
        """Whether the release may go out."""
        return not self.refusals

    @property
    def refusals(self) -> tuple[str, ...]:
        """Why it may not."""
        texts = tuple(
            f"{text.where}, column {text.column!r} holds what looks like {text.trace}, in {text.values} distinct "
            f"values; the first is in row {text.row}"
            for text in self.texts
        )
        figures = tuple(f"{f.measure}: {spoken(f)}" for f in self.figures if not f.passes)
        return texts + self.faults + figures


class RefusedError(RecsysError):
    """The gate said no; nothing was written, and what lay there lies there still."""

    def __init__(self, verdict: Verdict) -> None:
        reasons = "; ".join(verdict.refusals)
        left = "It lies where it lay: do not hand it over" if verdict.lay_there else "Nothing was written"
        super().__init__(
            f"the gate refuses this {verdict.release} release: {reasons}", mend=f"{_mend(verdict)}. {left}"
        )
        self.verdict = verdict


def estimated(measure: Measure, estimate: Estimate, *, limit: float | None = None) -> Figure:
    """A figure of a share that was estimated."""
    return Figure(measure=measure, value=estimate.share, low=estimate.low, high=estimate.high, limit=limit)


def exact(
    measure: Measure, value: float, *, share: bool = True, limit: float | None = None, least: float | None = None
) -> Figure:
    """A figure that was counted."""
    return Figure(measure=measure, value=value, low=value, high=value, share=share, limit=limit, least=least)


def spoken(figure: Figure) -> str:
    """A figure with its bounds and what it is held to."""
    if not figure.share:
        held = "" if figure.least is None else f", at least {figure.least:g} is needed"
        return f"{figure.value:,.0f}{held}"
    between = "" if figure.low == figure.high else f" [{figure.low:.1%}, {figure.high:.1%}]"
    held = "" if figure.limit is None else f", at most {figure.limit:.0%} is allowed"
    return f"{figure.value:.1%}{between}{held}"


def _mend(verdict: Verdict) -> str:
    if verdict.texts:
        return "Clean that column before the gate, or drop it; [gate] allow names brands that are no persons"
    if verdict.proposals:
        return f"This would pass: {verdict.proposals[0].setting}; write it into [gate.external], or give --apply"
    if verdict.steps:
        return "No setting that was tried would pass: give away the popularity of categories alone"
    return "Make it again: --apply, with --vault and a --domain of the partner's own"
