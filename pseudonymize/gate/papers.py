"""Where a release's papers lie, the gate's figures and the officer's page: a partner is not given them.

They name raw columns, count rows that did not go, and say what the policy asks. An internal release holds its
own; those of one for a partner lie beside its folder, under its name.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from pseudonymize.gate.settings import ReleaseClass
from pseudonymize.gate.verdict import GATE_FILE, Verdict
from recsys.contracts.document import encode_document
from recsys.files import write_text

REPORT_FILE: Final = "report.html"


@dataclass(frozen=True, slots=True)
class Papers:
    """Where they lie; `beside`: the release that they lie beside, if they are not in it."""

    gate: Path
    page: Path
    beside: Path | None = None
    _written: list[Path] = field(default_factory=list)

    @contextmanager
    def with_release(self) -> Iterator[None]:
        """Around all that makes the release: where it does not come to be, neither do its papers."""
        try:
            yield
        except BaseException:
            if self.beside is None or not self.beside.is_dir():  # else they are of the release that is there by now
                for path in self._written:
                    path.unlink(missing_ok=True)
            raise

    def write(self, verdict: Verdict, page: str) -> None:
        """Write both, or neither."""
        for path, text in ((self.gate, document(verdict).decode()), (self.page, page)):
            write_text(path, text)
            self._written.append(path)


def document(verdict: Verdict) -> bytes:
    """The bytes of `gate.json`."""
    return encode_document(verdict)


def digest(verdict: Verdict) -> str:
    """The SHA-256 of `gate.json`, which stands in `release.json`."""
    return hashlib.sha256(document(verdict)).hexdigest()


def papers_of(out: Path, release: ReleaseClass, *, beside: Path | None = None) -> Papers:
    """Where the papers of a release in the folder `out` lie; `beside`: where it is filled before it takes its name."""
    if release is ReleaseClass.INTERNAL:
        inside = beside or out
        return Papers(inside / GATE_FILE, inside / REPORT_FILE)
    whole = out.resolve()
    gate, report = (whole.with_name(f"{whole.name}.{name}") for name in (GATE_FILE, REPORT_FILE))
    return Papers(gate, report, beside=whole)


def papers_inside(folder: Path) -> list[Path]:
    """Those that lie in a folder itself."""
    inside = papers_of(folder, ReleaseClass.INTERNAL)
    return [path for path in (inside.gate, inside.page) if path.is_file()]
