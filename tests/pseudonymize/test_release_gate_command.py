"""`recsys-pseudonymize gate`, and `run --release external`, as processes: what they say, write and refuse."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import polars as pl
import pytest
from support.commands import assert_clear_failure, no_leftovers, run
from support.releases import people, released
from support.tokens import token

from pseudonymize.vault import create_vault, open_vault
from recsys.contracts.catalogue import CATALOGUE
from recsys.contracts.release import release_beside

pytestmark = pytest.mark.slow  # processes

SUBJECTS, THINGS = 200, 40


def purchases(*, own: bool, domain: str = "rec", epoch: str = "01") -> pl.DataFrame:
    """What 200 subjects bought; `own`: of each its own choice, so that all are unique, else the same."""
    rng = np.random.default_rng(0)
    day = dt.date(2024, 1, 1)
    rows = [
        (token(who, domain=domain, epoch=epoch), f"item-{thing}", day, 1.0)
        for who in range(SUBJECTS)
        for thing in (rng.permutation(THINGS)[:8].tolist() if own else [0, 1])
    ]
    return pl.DataFrame(rows, schema=["subject", "item", "day", "quantity"], orient="row")


def catalogue(folder: Path) -> Path:
    items = [f"item-{thing}" for thing in range(THINGS)]
    paths = [f"{'FOOD' if thing % 3 else 'HOME'} / {thing % 9} / {thing}" for thing in range(THINGS)]
    CATALOGUE.write(pl.DataFrame({"item": items, "category": paths, "title": items}), folder / "catalogue.parquet")
    return folder / "catalogue.parquet"


def gate(folder: Path, *more: object, release: str = "external"):  # noqa: ANN201 - what subprocess gives
    return run("pseudonymize", "gate", "--release", release, folder, *more)


def alike(folder: Path) -> Path:
    """A partner's release in which nobody is told apart."""
    return released(folder, {"purchases": purchases(own=False, domain="ads")}, domain="ads")


def test_unique_histories_are_refused_and_what_would_pass_is_said_and_made(tmp_path: Path, vault_folder: Path) -> None:
    unique = released(tmp_path / "release", {"purchases": purchases(own=True)})
    paths = catalogue(tmp_path)
    refused = gate(unique, "--catalogue", paths, "--report", tmp_path / "page.html", "--json")
    assert_clear_failure(
        refused,
        "rec.01, the retailer's own",
        "history linkage: 100.0%",
        "at most 5% is allowed",
        "This would pass: ",
        "[gate.external]",
    )
    said = json.loads(refused.stdout)
    assert said["proposals"][0]["setting"]["level"] in refused.stderr
    page = (tmp_path / "page.html").read_text()
    assert "The gate refused it. It lies where it lay" in page
    assert "k-anonymity of attributes does not protect a history" in page
    assert sorted(path.name for path in tmp_path.iterdir()) == ["catalogue.parquet", "page.html", "release"]

    partner = ["--apply", "--vault", vault_folder, "--domain"]
    assert_clear_failure(
        gate(unique, *partner, "rec", "--out", tmp_path / "own", "--catalogue", paths), "the retailer's own", status=2
    )
    made = gate(unique, *partner, "agency", "--out", tmp_path / "partner", "--catalogue", paths)
    assert made.returncode == 0, made.stderr
    out = tmp_path / "partner"
    assert sorted(path.name for path in out.iterdir()) == ["popularity.parquet", "purchases.parquet", "release.json"]
    release = release_beside(out)
    assert release is not None
    assert (release.domain, release.dropped) == ("agency", {})
    given = pl.read_parquet(out / "purchases.parquet")["subject"]
    assert given.str.starts_with("s1.agency.01.").all()
    assert not set(given.str.slice(-26)) & set(purchases(own=True)["subject"].str.slice(-26))
    page = (tmp_path / "partner.report.html").read_text()
    assert "The gate let it through" in page
    assert f"{1600 - len(given):,}" in page  # what was left out, which the officer is told of
    against = ["--against", unique, "--catalogue", paths, "--vault", vault_folder]
    again = gate(out, *against, "--report", tmp_path / "again.html")
    assert again.returncode == 0, again.stderr
    assert "passes as external" in again.stderr
    assert "purchases say: " in (tmp_path / "again.html").read_text()
    create_vault(tmp_path / "other", kek_file=None, environ={}, now=dt.datetime(2024, 1, 1, tzinfo=dt.UTC))
    open_vault(tmp_path / "other", kek_file=None, environ={}, now=dt.datetime(2024, 1, 1, tzinfo=dt.UTC)).current(
        "agency"
    )
    against[-1] = tmp_path / "other"
    assert_clear_failure(gate(out, *against), "has 0% of the release's people")
    assert no_leftovers(tmp_path)


def test_a_release_in_which_all_are_alike_passes_as_it_is(tmp_path: Path) -> None:
    done = gate(alike(tmp_path / "release"), "--json")
    assert done.returncode == 0, done.stderr
    values = {round(figure["value"], 6) for figure in json.loads(done.stdout)["figures"]}
    assert values == {0, 1 / SUBJECTS}


def test_what_is_not_for_a_partner_is_named(tmp_path: Path) -> None:
    bought = purchases(own=False).with_columns(value=pl.lit(2.5), quantity=pl.lit(3.0))
    everyone = people(list(range(SUBJECTS))).with_columns(store=pl.Series(["31"] * (SUBJECTS - 1) + ["32"]))
    folder = released(tmp_path / "release", {"purchases": bought, "subjects": everyone})
    done = gate(folder)
    assert_clear_failure(
        done,
        "subjects.parquet: people's attributes",
        "purchases.parquet has value",
        "quantities other than 1",
        "k-anonymity of attributes: 1, at least 5 is needed",
    )
    internal = gate(folder, release="internal")
    assert internal.returncode == 0, internal.stderr


def test_a_count_of_few_people_is_not_for_a_partner(tmp_path: Path) -> None:
    counted = pl.DataFrame({"category": ["FOOD"], "week": [dt.date(2024, 1, 1)], "subjects": [4]})
    folder = released(tmp_path / "release", {"purchases": purchases(own=False), "popularity": counted})
    assert_clear_failure(gate(folder), "popularity.parquet counts fewer than 5 subjects")


def test_texts_of_a_release_that_is_there_are_scanned_with_the_raw_names(
    tmp_path: Path, fields_file: Path, shop: SimpleNamespace
) -> None:
    bought = purchases(own=False).with_columns(item=pl.col("item").replace("item-1", "cake for Bert Canary"))
    folder = released(tmp_path / "release", {"purchases": bought})
    unknown = gate(folder, release="internal")
    assert unknown.returncode == 0, unknown.stderr
    done = gate(folder, "--fields", fields_file, "--raw", shop.files[0], release="internal")
    assert_clear_failure(done, "purchases.parquet, column 'item' holds what looks like a name", "row 2")
    assert "Canary" not in done.stderr


def test_tokens_of_another_epoch_need_the_vault(tmp_path: Path) -> None:
    ours = released(tmp_path / "ours", {"purchases": purchases(own=False)})
    theirs = released(tmp_path / "theirs", {"purchases": purchases(own=False, epoch="02")}, epoch="02")
    assert_clear_failure(gate(theirs, "--against", ours), "--against", "Give --vault", status=2)


def test_the_vault_tells_whose_tokens_of_another_domain_are_whose(
    tmp_path: Path, vault_folder: Path, fields_file: Path
) -> None:
    chosen = np.random.default_rng(1)
    cards = [f"98400{who:05}" for who in range(SUBJECTS) for _ in range(8)]
    items = [f"item-{n}" for _ in range(SUBJECTS) for n in chosen.permutation(THINGS)[:8]]
    sold = [dt.datetime(2017, 1, 2, 12, tzinfo=dt.UTC).replace(tzinfo=None)] * len(cards)
    frame = pl.DataFrame({"loyalty_card": cards, "receipt": cards, "sold_at": sold, "item": items})
    raw = tmp_path / "receipts.parquet"
    frame.with_columns(quantity=1, value=1.0, store=pl.lit("1")).write_parquet(raw)
    words = ["run", "--fields", fields_file, "--vault", vault_folder, raw]
    assert run("pseudonymize", *words, "--out", tmp_path / "own").returncode == 0
    extern = ["--domain", "ads", "--release", "external", "--apply", "--catalogue", catalogue(tmp_path)]
    done = run("pseudonymize", *words, "--out", tmp_path / "ads", *extern)
    assert done.returncode == 0, done.stderr
    against = ["--against", tmp_path / "own", "--vault", vault_folder, "--catalogue", tmp_path / "catalogue.parquet"]
    judged = gate(tmp_path / "ads", *against, "--json")
    assert judged.returncode == 0, judged.stderr
    linked = next(f for f in json.loads(judged.stdout)["figures"] if f["measure"] == "history linkage")
    assert 0 <= linked["value"] <= 0.05
    shown = gate(tmp_path / "own", "--against", tmp_path / "ads", "--vault", vault_folder)
    assert_clear_failure(shown, "of its items")


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--apply"], "--apply and --out"),
        (["--out", "x"], "--apply and --out"),
        (["--raw", "x.csv"], "--raw"),
        (["--domain", "ads"], "--domain: belongs to --apply"),
        (["--apply", "--out", "x", "--domain", "ads"], "needs --vault and --domain"),
    ],
)
def test_options_that_do_not_go_together(tmp_path: Path, more: list[str], said: str) -> None:
    folder = released(tmp_path / "release", {"purchases": purchases(own=False)})
    assert_clear_failure(gate(folder, *more), said, status=2)


def test_a_folder_that_is_no_release_or_was_changed_is_refused(tmp_path: Path) -> None:
    assert_clear_failure(gate(tmp_path), "is not a release")
    folder = released(tmp_path / "release", {"purchases": purchases(own=False)})
    purchases(own=True).write_parquet(folder / "purchases.parquet")
    assert_clear_failure(gate(folder), "purchases.parquet: is not as release.json names it")
    none = released(tmp_path / "people", {"subjects": people([1, 2])})
    assert_clear_failure(gate(none), "has no purchases")
