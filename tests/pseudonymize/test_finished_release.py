"""A release that lies in a folder is judged by what is in it, not by what is said of it. Each fault is planted."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np
import polars as pl
import pyarrow.parquet as pq
import pytest
from support.releases import people, released
from support.tokens import token

from pseudonymize.gate.exactness import exactness_of, is_finer
from pseudonymize.gate.finished import finished_in
from pseudonymize.gate.keeper import Gatekeeper
from pseudonymize.gate.papers import digest, papers_of
from pseudonymize.gate.release import seal
from pseudonymize.gate.settings import Days, External, GateSettings, Keep, Level, ReleaseClass, Setting
from pseudonymize.gate.verdict import Measure, RefusedError, Verdict
from pseudonymize.judging import judged
from pseudonymize.report_page import page
from recsys.contracts.document import encode_document
from recsys.contracts.release import Release, release_beside
from recsys.errors import ContractError, OutputError, PolicyError, RecsysError
from recsys.files import new_folder, sha256_of

TODAY = dt.date(2024, 6, 1)
FIRST = dt.date(2024, 1, 1)  # a Monday
SUBJECTS = 100
OWN, EXTERNAL = ReleaseClass.INTERNAL, ReleaseClass.EXTERNAL


def purchases(*, domain: str = "ads", days: int = 1, items: int = 1) -> pl.DataFrame:
    """What 100 subjects bought, one thing on each of three days among `days` and `items`, drawn for each."""
    rng = np.random.default_rng(1)
    rows = [
        (token(who, domain=domain), f"item-{rng.integers(items)}", FIRST + dt.timedelta(days=int(day)), 1.0)
        for who in range(SUBJECTS)
        for day in rng.integers(days, size=3)
    ]
    return pl.DataFrame(rows, schema=["subject", "item", "day", "quantity"], orient="row").unique()


def partners(folder: Path, frame: pl.DataFrame | None = None) -> Path:
    return released(folder, {"purchases": purchases() if frame is None else frame}, domain="ads")


def verdict_of(folder: Path, whom: ReleaseClass = EXTERNAL, against: Path | None = None) -> Verdict:
    keeper = Gatekeeper(whom)
    return judged(keeper, finished_in(folder), keeper.new_scan(), TODAY, own=against, vault=None)


def share(verdict: Verdict, measure: Measure) -> float:
    return next(figure.value for figure in verdict.figures if figure.measure == measure)


def with_papers(folder: Path, made: Setting) -> None:
    """Say of a release how it was made, and bind it, as whoever prepares one could."""
    said = msgspec.structs.replace(verdict_of(folder), made=made)
    papers_of(folder, EXTERNAL).write(said, "")
    seal(folder, msgspec.structs.replace(said_of(folder), gate=digest(said)))


def said_of(folder: Path) -> Release:
    """What `release.json` says, checked by nothing."""
    release = release_beside(folder)
    assert release is not None
    return release


Planted = Callable[[pl.DataFrame], pl.DataFrame]


@pytest.mark.parametrize("whom", [OWN, EXTERNAL])
@pytest.mark.parametrize(
    ("planted", "message"),
    [
        (
            lambda f: f.with_columns(subject=pl.lit("ada@canary.example")),
            "row 1, column 'subject' holds something else",
        ),
        (lambda f: f.with_columns(subject=pl.col("subject").str.replace("s1.ads", "s1.rec", literal=True)), "ads.01"),
        (lambda f: f.with_columns(subject=pl.col("subject").str.slice(0, 20)), "breaks the contract"),
        (lambda f: f.with_columns(basket=pl.col("subject").str.replace("ads.01", "ads.02", literal=True)), "'basket'"),
        (lambda f: f.with_columns(phone=pl.lit(442079460001)), "column 5 is unknown to purchases"),
        (lambda f: f.with_columns(item=pl.lit(b"ada@canary.example")), "column 'item' has type Binary"),
        (lambda f: f.with_columns(item=pl.col("item").cast(pl.Categorical())), "column 'item' has type Categorical"),
        (lambda f: f.with_columns(item=pl.lit("see ") + pl.col("subject")), "holds a token where none belongs"),
        (lambda f: f.with_columns(channel=pl.col("subject")), "holds a token where none belongs"),
        (lambda f: f.with_columns(day=pl.lit(dt.date(2030, 1, 1))), "lies in the future"),
        (lambda f: f.clear(), "the table has no rows"),
    ],
)
def test_a_file_that_is_not_what_its_contract_says_is_refused(
    tmp_path: Path, planted: Planted, message: str, whom: ReleaseClass
) -> None:
    with pytest.raises(ContractError, match=message) as caught:
        verdict_of(partners(tmp_path / "release", planted(purchases())), whom)
    assert "canary" not in str(caught.value)


def test_other_files_and_metadata_are_refused(tmp_path: Path) -> None:
    folder = partners(tmp_path / "named")
    (folder / "customers.csv").write_text("ada@canary.example")
    with pytest.raises(ContractError, match=r"customers\.csv: is not named by release\.json"):
        finished_in(folder)
    with pytest.raises(ContractError, match=r"raw\.parquet: is no file of a release"):
        finished_in(released(tmp_path / "raw", {"raw": purchases()}, domain="ads"))
    folder = partners(tmp_path / "metadata")
    table = purchases().to_arrow(compat_level=pl.CompatLevel.oldest())
    pq.write_table(table.replace_schema_metadata({"made for": "ada@canary.example"}), folder / "purchases.parquet")
    seal(folder, said_of(folder))
    with pytest.raises(ContractError, match="holds metadata of its own"):
        verdict_of(folder)


def test_a_file_that_is_no_table_is_refused(tmp_path: Path) -> None:
    folder = partners(tmp_path / "release")
    (folder / "purchases.parquet").write_bytes(b"PAR1 and no more")
    files = {"purchases.parquet": sha256_of(folder / "purchases.parquet")}
    (folder / "release.json").write_bytes(encode_document(msgspec.structs.replace(said_of(folder), files=files)))
    with pytest.raises(ContractError, match="cannot be read as Parquet"):
        verdict_of(folder)


def test_an_empty_table_of_popularity_is_named(tmp_path: Path) -> None:
    counted = pl.DataFrame(schema={"category": pl.String, "week": pl.Date, "subjects": pl.Int64})
    folder = released(tmp_path / "release", {"purchases": purchases(), "popularity": counted}, domain="ads")
    with pytest.raises(ContractError, match=r"popularity\.parquet: the table has no rows"):
        verdict_of(folder)


@pytest.mark.slow  # more rows than are read at a time
def test_a_row_is_named_by_its_number_in_the_file_however_long_it_is(tmp_path: Path) -> None:
    frame = purchases(days=50).select(pl.all().gather(np.arange(600_000) % 90))
    last = pl.when(pl.int_range(pl.len()) == 599_999).then(pl.lit("ask ada@elsewhere.example"))
    folder = partners(tmp_path / "release", frame.with_columns(item=last.otherwise(pl.lit("milk"))))
    scan = Gatekeeper(EXTERNAL).new_scan()
    for rows, origin in finished_in(folder).tables(TODAY):
        scan.add(rows, origin)
    assert [found.row for found in scan.findings()] == [600_000]


def test_the_retailers_own_tokens_are_not_for_a_partner(tmp_path: Path) -> None:
    own = released(tmp_path / "own", {"purchases": purchases(domain="rec")})
    verdict = verdict_of(own)
    assert not verdict.passed
    assert verdict.faults == ("its tokens are of rec.01, the retailer's own: whoever has those links every history",)
    assert not verdict.steps  # nothing else is wrong, so that no setting would mend it
    theirs = partners(tmp_path / "theirs")
    assert verdict_of(theirs).passed
    (fault,) = verdict_of(theirs, against=partners(tmp_path / "same")).faults
    assert "all are linked" in fault
    assert verdict_of(own, OWN).passed


def test_days_are_measured_as_they_lie_in_the_file(tmp_path: Path) -> None:
    """Where nobody told them apart by things, days do; what is said of the release changes nothing."""
    folder = partners(tmp_path / "release", purchases(days=100))
    honest = verdict_of(folder)
    assert share(honest, Measure.UNICITY) > 0.9
    for days in (Days.NONE, Days.MONTH, Days.WEEK):
        with_papers(folder, Setting(days=days))
        verdict = verdict_of(folder)
        assert share(verdict, Measure.UNICITY) == share(honest, Measure.UNICITY)
        assert f"purchases.parquet is dated more exactly than by {days}, as its gate.json says" in verdict.faults


def test_an_attacker_is_as_coarse_and_as_short_as_the_release_whatever_is_said(tmp_path: Path) -> None:
    """Weeks of a release that says that it has days are linked by weeks; what was cut to the last points, by those."""
    truth = purchases(days=140, items=30)
    own = partners(tmp_path / "own", truth)
    theirs = partners(tmp_path / "theirs", truth.with_columns(pl.col("day").dt.truncate("1w")).unique())
    for made in (Setting(), Setting(days=Days.WEEK), Setting(keep=Keep.SAMPLE, most=1)):
        with_papers(theirs, made)
        assert share(verdict_of(theirs, against=own), Measure.LINKAGE) > 0.9


def test_an_attacker_cuts_histories_as_short_as_the_release_whatever_is_said(tmp_path: Path) -> None:
    truth = purchases(days=6, items=2)
    kept = truth.sort("subject", "day", "item", descending=True).group_by("subject", maintain_order=True).head(2)
    own, theirs = partners(tmp_path / "own", truth), partners(tmp_path / "theirs", kept.select(truth.columns))
    linked = {}
    for made in (Setting(keep=Keep.LAST, most=2), Setting(), Setting(keep=Keep.LAST, most=1)):
        with_papers(theirs, made)
        linked[made] = share(verdict_of(theirs, against=own), Measure.LINKAGE)
    assert len(set(linked.values())) == 1


def test_what_the_gate_wrote_is_bound_by_its_hash(tmp_path: Path) -> None:
    folder = partners(tmp_path / "release")
    papers = papers_of(folder, EXTERNAL)
    with_papers(folder, Setting(Level.DEPARTMENT, Days.NONE))
    assert finished_in(folder).made == Setting(Level.DEPARTMENT, Days.NONE)
    kept = papers.gate.read_bytes()
    papers.gate.write_bytes(kept.replace(b'"department"', b'"item"'))
    with pytest.raises(ContractError, match=r"gate\.json: is not as release\.json names it"):
        finished_in(folder)
    papers.gate.unlink()
    assert finished_in(folder).made is None
    (folder / "gate.json").write_bytes(kept)
    assert any("a partner is not given them" in fault for fault in verdict_of(folder).faults)
    other = partners(tmp_path / "other")
    (other / "gate.json").write_bytes(kept)
    with pytest.raises(ContractError, match=r"is not bound by release\.json"):
        finished_in(other)


def test_other_people_are_told_from_people_who_are_not_found(tmp_path: Path) -> None:
    own = purchases(domain="ads").with_columns(
        subject=pl.Series([token(f"else {n}", domain="ads") for n in range(100)])
    )
    with pytest.raises(ContractError, match="has 0% of the release's people"):
        verdict_of(partners(tmp_path / "release"), against=partners(tmp_path / "own", own))


@pytest.mark.parametrize("settings", [GateSettings(k=4), GateSettings(known=3)])
def test_no_policy_loosens_what_a_partners_release_is_held_to(settings: GateSettings) -> None:
    with pytest.raises(PolicyError, match="a release for a partner needs"):
        Gatekeeper(EXTERNAL, settings)
    assert Gatekeeper(OWN, settings).settings == settings


def test_ways_of_dating() -> None:
    monday, first = ((dt.date(2024, month, day) - dt.date(1970, 1, 1)).days for month, day in ((1, 8), (2, 1)))
    days = {Days.WEEK: [monday, monday + 7], Days.MONTH: [first, first - 31], Days.DAY: [monday, first]}
    for exactness, values in days.items():
        assert exactness_of(np.array(values, np.int32))[-1] == exactness
    assert exactness_of(np.array([first, first], np.int32)) == (Days.DAY, Days.MONTH, Days.NONE)
    assert is_finer(np.array(days[Days.WEEK], np.int32), Days.MONTH)
    assert not is_finer(np.array(days[Days.WEEK], np.int32), Days.DAY)


def test_the_page_of_a_release_that_lay_there_says_so(tmp_path: Path) -> None:
    folder = partners(tmp_path / "release")
    with_papers(folder, Setting(days=Days.MONTH))
    shown = page(verdict_of(folder), release=finished_in(folder).release)
    assert "purchases say: every item, the month, everything of each subject" in shown
    assert "Of each of 100 subjects, purchases: every item, the month" in shown
    unknown = page(verdict_of(partners(tmp_path / "unknown", purchases(days=100))))
    assert "Not known: there is no gate.json with it" in unknown
    assert "It lies where it lay: do not hand it over" in unknown
    assert "nothing was written" not in unknown
    settings = GateSettings(regions=("GB",), national_ids=("gb.nhs",), allow=("Jack Daniels",), external=External())
    named = page(msgspec.structs.replace(verdict_of(folder), settings=settings))
    assert "Jack Daniels" in named
    assert "gb.nhs" in named
    assert "<td>GB</td>" in named


def test_an_internal_page_says_what_was_generalised_when_it_was_made(tmp_path: Path) -> None:
    folder = released(tmp_path / "own", {"purchases": purchases(domain="rec"), "subjects": people(list(range(9)))})
    said = msgspec.structs.replace(verdict_of(folder, OWN), changes=("days made coarser: the week",))
    papers_of(folder, OWN).write(said, "")
    seal(folder, msgspec.structs.replace(said_of(folder), gate=digest(said)))
    assert verdict_of(folder, OWN).changes == ("days made coarser: the week",)


def test_errors_repeat_nothing(tmp_path: Path) -> None:
    frame = purchases().with_columns(subject=pl.lit("ada@canary.example"))
    with pytest.raises(RecsysError) as caught:
        verdict_of(partners(tmp_path / "release", frame))
    assert "canary" not in str(caught.value)


def test_a_release_for_a_partner_in_which_nobody_is_left_is_refused(tmp_path: Path) -> None:
    frame = purchases(domain="ads").with_columns(item="subject")
    folder = partners(tmp_path / "release", frame.with_columns(item=pl.col("item").str.slice(10)))
    keeper = Gatekeeper(EXTERNAL, GateSettings(), own=frozenset({"rec"}))
    with pytest.raises(RefusedError, match="nothing is left of it"):
        keeper.let_through(folder, keeper.new_scan())


def test_papers_go_with_a_release_that_does_not_come_to_be_and_with_no_other(tmp_path: Path) -> None:
    papers = papers_of(tmp_path / "out", EXTERNAL)
    verdict = Verdict(release=EXTERNAL, settings=GateSettings(), subjects=1, rows=1, figures=())

    def written() -> None:
        papers = papers_of(tmp_path / "out", EXTERNAL)
        with papers.with_release(), new_folder(tmp_path / "out") as beside:
            (beside / "file").write_text("")
            papers.write(verdict, "")
            (tmp_path / "out").write_text("in its way")

    with pytest.raises(OutputError):
        written()
    assert list(tmp_path.glob("out.*")) == []
    (tmp_path / "out").unlink()
    papers.write(verdict, "")
    (tmp_path / "out").write_text("there already")
    with pytest.raises(OutputError):
        written()
    assert sorted(tmp_path.glob("out.*")) == [papers.gate, papers.page]


def test_papers_of_a_release_that_took_the_name_meanwhile_stay(tmp_path: Path) -> None:
    papers, out = papers_of(tmp_path / "out", EXTERNAL), tmp_path / "out"
    verdict = Verdict(release=EXTERNAL, settings=GateSettings(), subjects=1, rows=1, figures=())
    with pytest.raises(OutputError), papers.with_release(), new_folder(out) as beside:
        (beside / "file").write_text("")
        papers.write(verdict, "")
        out.mkdir()
        (out / "file").write_text("another's")
    assert sorted(tmp_path.glob("out.*")) == [papers.gate, papers.page]
