"""`--until`: the first day that is not looked at, one for everyone or one a subject."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from recsys.console import parse_day
from recsys.contracts.evaluation_sets import AS_OF
from recsys.contracts.table import Origin
from recsys.contracts.token import Lineage, column_lineage
from recsys.errors import TokenError
from recsys.files import sha256_of


@dataclass(frozen=True, slots=True)
class Ends:
    """A day for each subject; subjects that are not listed are left out.

    Args:
        days: `subject, day`.
        sha256: Of the file: all that a manifest keeps of it.
        where: The file, for errors to name.
    """

    days: pl.DataFrame
    sha256: str
    where: str

    @property
    def last(self) -> dt.date:
        """The last of the days."""
        last: dt.date = self.days.select(pl.col("day").max()).item()
        return last

    def cut(self, purchases: pl.DataFrame, tokens_of: Lineage) -> pl.DataFrame:
        """What the listed subjects bought before their day.

        Raises:
            TokenError: The file holds tokens of another domain or epoch.
        """
        if column_lineage(self.days["subject"], where=self.where) != tokens_of:
            raise TokenError(
                f"the tokens are of another domain or epoch than those of the purchases ({tokens_of})",
                where=self.where,
                mend="Give the days of the same release",
            )
        ends = self.days.select("subject", pl.col("day").alias("end"))
        return purchases.join(ends, on="subject").filter(pl.col("day") < pl.col("end")).drop("end")


def parse_until(text: str, *, today: dt.date) -> dt.date | Ends:
    """Read `--until`: a day (YYYY-MM-DD), or a .parquet or .csv file with the columns `subject` and `day`.

    Raises:
        UsageError: It is no day, or one in the future.
        ContractError: The file breaks its contract, or a day in it lies in the future.
    """
    latest = today + dt.timedelta(days=1)
    if not text.endswith((".parquet", ".csv")):
        return parse_day(text, option="--until", latest=latest)
    days = AS_OF.read(Path(text))
    Origin(text).refuse(days["day"] > latest, "day", "lies in the future", mend="Name days that have been")
    return Ends(days, sha256_of(Path(text)), text)
