"""`recsys-serve load`: what it refuses, what it leaves out and counts, and that a failure changes nothing."""

from __future__ import annotations

import datetime as dt
import json
import shutil
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import polars as pl
import pytest
from support.commands import assert_clear_failure, run
from support.server import Server
from support.shop import DRINKER, TEST, UNLISTED, Shop
from support.tokens import token

from recsys.errors import RecsysError
from recsys.history import ItemIndex
from serving.cli import load
from serving.stores import open_store

pytestmark = pytest.mark.slow  # processes

INDEX = ItemIndex.of([TEST, "wine-0", "milk-0"])


@pytest.fixture
def copied(shop: Shop, tmp_path: Path) -> Shop:
    """The shop's tables and policy, for a test to spoil."""
    for name in ("purchases", "subjects", "catalogue"):
        shutil.copy(shop.file(name), tmp_path)
    shutil.copy(shop.guards, tmp_path)
    return Shop(tmp_path)


def rewrite(path: Path, *changes: pl.Expr) -> None:
    pl.read_parquet(path).with_columns(*changes).write_parquet(path)


def options(shop: Shop) -> dict[str, Path]:
    tables = {name: shop.file(name) for name in ("purchases", "subjects", "catalogue")}
    return {**tables, "guards": shop.guards}


def refusal(shop: Shop, state: Path) -> str:
    """The error of the command, called in this process. No error repeats a value."""
    with pytest.raises(RecsysError) as caught:
        load(state=f"sqlite:///{state}", **options(shop))
    assert "anna.berg" not in str(caught.value)
    return str(caught.value)


def test_it_says_what_it_loaded(copied: Shop, tmp_path: Path) -> None:
    rewrite(copied.file("catalogue"), pl.col("item").replace("soap-2", "soap-x"))
    bought = pl.read_parquet(copied.file("purchases"))
    gone, tests = (bought["item"] == "soap-2").sum(), bought["item"].str.starts_with("test-").sum()
    done = run("serving", *copied.load_options(f"sqlite:///{tmp_path / 's.db'}"), "--json")
    assert done.returncode == 0, done.stderr
    counts = json.loads(done.stdout)
    assert counts["dropped_unknown"] == gone > 0
    assert counts["dropped_never"] == tests > 0
    assert counts["purchases"] == len(bought) - gone - tests
    assert counts["without_consents"] == 1
    people = pl.concat([bought["subject"], pl.read_parquet(copied.file("subjects"))["subject"]])
    assert counts["subjects"] == people.n_unique()
    assert f"Left out: {tests} that are never offered, {gone} of items that are not in the catalogue" in done.stderr


def test_what_is_never_offered_does_not_enter(loaded: Path) -> None:
    with closing(open_store(f"sqlite:///{loaded}")) as store:
        known = store.read([DRINKER, UNLISTED], INDEX)
    assert set(known.histories.item.tolist()) == {1, 2}
    assert known.states[1].consents == frozenset()
    assert b"test-1" not in loaded.read_bytes()
    assert b"wine-0" in loaded.read_bytes()


SPOILT = {
    "a missing column": ("purchases", lambda t: t.drop("item"), "column 'item' is missing"),
    "a misspelt column": ("purchases", lambda t: t.rename({"item": "itme"}), "Rename column 'itme'"),
    "a wrong type": ("purchases", lambda t: t.with_columns(day=pl.lit(7)), "column 'day' has type"),
    "no rows": ("purchases", lambda t: t.clear(), "the table has no rows"),
    "a day in the future": (
        "purchases",
        lambda t: t.with_columns(day=pl.lit(dt.date(2999, 1, 1))),
        "lies in the future",
    ),
    "an identifier": (
        "purchases",
        lambda t: t.with_columns(subject=pl.lit("anna.berg@example.org")),
        "Send the token that the identity gate made",
    ),
    "two domains": (
        "purchases",
        lambda t: pl.concat([t, t.head(1).with_columns(subject=pl.lit(token(1, domain="partner")))]),
        "tokens of 2 domains or epochs in one file",
    ),
    "subjects of another domain": (
        "subjects",
        lambda t: t.head(1).with_columns(subject=pl.lit(token(1, domain="partner"))),
        "are of another domain or epoch than the purchases",
    ),
    "somebody twice": ("subjects", lambda t: pl.concat([t, t.head(1)]), "the same subject stands in 2 rows"),
    "a consent to nothing": (
        "subjects",
        lambda t: t.with_columns(consents=pl.lit(["everything"])),
        "A consent is profiling, training or channel:<name>",
    ),
    "another shop's catalogue": (
        "catalogue",
        lambda t: t.with_columns(item=pl.lit("x") + pl.col("item")),
        "none of the items stands in the catalogue",
    ),
}


@pytest.mark.parametrize("case", SPOILT)
def test_a_file_that_breaks_its_contract_changes_nothing(case: str, copied: Shop, loaded: Path) -> None:
    name, spoil, message = SPOILT[case]
    path = copied.file(name)
    spoil(pl.read_parquet(path)).write_parquet(path)
    state = shutil.copy(loaded, copied.folder / "s.db")
    assert message in refusal(copied, state)
    assert state.read_bytes() == loaded.read_bytes()


def test_a_file_that_is_cut_off(copied: Shop) -> None:
    path = copied.file("purchases")
    path.write_bytes(path.read_bytes()[:-100])
    assert_clear_failure(
        run("serving", *copied.load_options(f"sqlite:///{copied.folder / 's.db'}")), "cut off, damaged"
    )
    assert not (copied.folder / "s.db").exists()


def test_people_of_another_domain_do_not_mix(copied: Shop, loaded: Path) -> None:
    for name in ("purchases", "subjects"):
        rewrite(copied.file(name), pl.col("subject").str.replace("s1.rec.", "s1.partner.", literal=True))
    state = shutil.copy(loaded, copied.folder / "s.db")
    assert "the state holds people of domain 'rec', these are of 'partner'" in refusal(copied, state)
    with closing(open_store(f"sqlite:///{state}")) as store:
        assert len(store.read([DRINKER], INDEX).histories.item) > 0


def test_a_new_epoch_stands_beside_the_old_one_until_the_map_comes(copied: Shop, loaded: Path) -> None:
    for name in ("purchases", "subjects"):
        rewrite(copied.file(name), pl.col("subject").str.replace(".01.", ".02.", literal=True))
    state = shutil.copy(loaded, copied.folder / "s.db")
    load(state=f"sqlite:///{state}", **options(copied))
    with closing(open_store(f"sqlite:///{state}")) as store:
        assert {str(lineage) for lineage in store.lineages()} == {"rec.01", "rec.02"}
        old, new = (
            len(store.read([name], INDEX).histories.item) for name in (DRINKER, DRINKER.replace(".01.", ".02."))
        )
        assert old == new > 0


def test_a_full_disk_changes_nothing(copied: Shop, loaded: Path) -> None:
    """The system lets the command's files grow to 64 blocks of 1 KiB; the new state would need more."""
    crowd = pl.concat(
        [pl.read_parquet(copied.file("purchases")).with_columns(subject=pl.lit(token(f"x{n}"))) for n in range(40)]
    )
    crowd.write_parquet(copied.file("purchases"))
    state, new = shutil.copy(loaded, copied.folder / "s.db"), copied.folder / "new.db"
    limited = ["bash", "-c", 'ulimit -f 64; exec "$0" -m serving "$@"', sys.executable]
    for path in (state, new):
        done = subprocess.run(  # noqa: S603 - our own command
            [*limited, *map(str, copied.load_options(f"sqlite:///{path}"))],
            capture_output=True,
            text=True,
            check=False,
        )
        assert_clear_failure(done, "the state ")
    assert not list(copied.folder.glob("new.db*"))
    with closing(open_store(f"sqlite:///{state}")) as store:
        assert len(store.read([DRINKER], INDEX).histories.item) > 0


def test_another_programs_database_is_left_alone(copied: Shop) -> None:
    state = copied.folder / "notes.db"
    state.write_bytes(b"These are somebody's notes.\n" * 100)
    assert "is not a database, or is damaged" in refusal(copied, state)
    assert state.read_bytes().startswith(b"These are somebody's notes.")


def test_a_missing_option_is_a_wrong_use(shop: Shop) -> None:
    assert_clear_failure(run("serving", "load", "--guards", shop.guards), "--state is missing", status=2)


def test_a_running_server_takes_up_a_new_epoch(shop: Shop, copied: Shop, state: str) -> None:
    """The server was started on epoch 01; while it runs, a load brings everybody by their tokens of epoch 02."""
    for name in ("purchases", "subjects"):
        rewrite(copied.file(name), pl.col("subject").str.replace(".01.", ".02.", literal=True))
    renewed = DRINKER.replace(".01.", ".02.")
    with Server(*shop.serve_options(state)) as server:
        before = server.ask(DRINKER, count=20)
        assert server.http.post("/v1/decisions", json={"subject": renewed, "channel": "email"}).status_code == 422
        assert run("serving", *copied.load_options(state)).returncode == 0
        assert server.ask(renewed, count=20)["items"] == before["items"]
        assert server.ask(DRINKER, count=20)["items"] == before["items"]
