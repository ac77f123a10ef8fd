"""Errors that say what happened, where, and how to mend it.

No message ever holds a value that came from the data: what was sent by mistake may be a name or a key. Code that
catches an exception whose text may hold such a value raises one of these `from None`.
"""

from __future__ import annotations


class RecsysError(Exception):
    """Something that the person at the terminal, or the calling system, can act on.

    Args:
        what: What is wrong, as a clause without a full stop.
        where: The file, row, column, key or option concerned.
        mend: What to do about it, as a sentence without a full stop.
    """

    exit_status = 1

    def __init__(self, what: str, *, where: str | None = None, mend: str | None = None) -> None:
        super().__init__(what)
        self.what = what
        self.where = where
        self.mend = mend

    def __str__(self) -> str:
        place = f"{self.where}: " if self.where else ""
        text = f"{place}{self.what}" + (f". {self.mend}" if self.mend else "")
        return text if text.endswith(("?", ".")) else f"{text}."


class UsageError(RecsysError):
    """A command was called wrongly."""

    exit_status = 2


class ContractError(RecsysError):
    """Data that does not fit its contract."""


class TokenError(ContractError):
    """A value in a token's place that is not a token of the expected domain and epoch."""


class PolicyError(RecsysError):
    """A policy that cannot be read, or says something impossible."""


class BundleError(RecsysError):
    """A bundle that cannot be used."""


class IntegrityError(BundleError):
    """A bundle whose bytes are not those that a trusted key signed."""


class OutputError(RecsysError):
    """A result that could not be written; nothing half-written is left behind."""
