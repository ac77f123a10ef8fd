"""The release gate in a run: what blocks, what is only told, what is generalised. Each fault is planted."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import polars as pl
import pytest
from support.commands import no_leftovers

from pseudonymize.dry_run import dry_run, refuse_bad
from pseudonymize.fields_check import load_fields
from pseudonymize.gate.settings import Days, Level, ReleaseClass, Setting
from pseudonymize.gate.verdict import Measure, RefusedError, Verdict
from pseudonymize.report import RunReport
from recsys.contracts.catalogue import CATALOGUE
from recsys.contracts.purchases import PURCHASES
from recsys.contracts.release import release_beside
from recsys.errors import ContractError, UsageError

pytestmark = pytest.mark.slow  # runs

Release = Callable[..., RunReport]
PolicyFile = Callable[[Mapping[str, str]], Path]
LAST = 'redeemed_on = { role = "evaluation", to = "day" }\n'  # of the example
SHOPPERS, WEEKS = 120, 8


def figure(verdict: Verdict, measure: Measure) -> float:
    return next(figure.value for figure in verdict.figures if figure.measure == measure)


def catalogue(path: Path, titles: Mapping[str, str]) -> Path:
    frame = pl.DataFrame(
        {"item": list(titles), "category": [f"FOOD / {item} / {item}" for item in titles], "title": titles.values()}
    )
    CATALOGUE.write(frame, path)
    return path


def many(shop: SimpleNamespace, bought: Callable[[int], list[str]]) -> list[Path]:
    """Receipts of 120 shoppers, each of whom buys some things, one a week."""
    rows = [(f"984000{who:06}", week, item) for who in range(SHOPPERS) for week, item in enumerate(bought(who))]
    frame = pl.DataFrame(rows, schema=["loyalty_card", "week", "item"], orient="row")
    first = dt.datetime(2017, 1, 2, 12, tzinfo=dt.UTC).replace(tzinfo=None)
    days = [first + dt.timedelta(weeks=week) for week in frame["week"]]
    receipts = frame.select("loyalty_card", "item").with_columns(
        receipt=pl.Series([f"R-{n}" for n in range(len(rows))]),
        sold_at=pl.Series(days),
        quantity=pl.lit(1),
        value=pl.lit(1.5),
        store=pl.lit("31"),
    )
    receipts.write_parquet(shop.files[1])
    return shop.files[1:2]


@pytest.mark.parametrize(
    ("item", "trace"),
    [
        ("cake for Ada Canary", "a name or identifier"),
        ("Canary, Ada: cake", "a name or identifier"),
        ("card 9840 0000 0000 0017", "a name or identifier"),
        ("ask ada@elsewhere.example", "an e-mail address"),
        ("ring +44 20 7946 0009", "a telephone number"),
        ("paid by 4111 1111 1111 1111", "a payment card number"),
        ("to GB82 WEST 1234 5698 7654 32", "a bank account"),
        ("born as 123-45-6789", "a national identity number"),
        ("from 192.168.1.20", "an IP address"),
    ],
)
def test_a_text_that_gives_somebody_away_blocks_the_release(
    shop: SimpleNamespace, release: Release, tmp_path: Path, item: str, trace: str
) -> None:
    shop.customers["loyalty_card"][0] = "9840 0000 0000 0017"
    shop.receipts["item"][3] = item
    shop.write()
    with pytest.raises(RefusedError, match=f"column 'item' holds what looks like {trace}.* row 4") as caught:
        release(shop.files, tmp_path / "out")
    assert item not in str(caught.value)
    assert "canary" not in str(caught.value).lower().replace("canary row", "")
    assert not (tmp_path / "out").exists()
    assert no_leftovers(tmp_path)


def test_an_e_mail_address_in_a_feature_blocks(shop: SimpleNamespace, release: Release, tmp_path: Path) -> None:
    shop.customers["home_store"][1] = "ada@canary.example"
    shop.write()
    with pytest.raises(RefusedError, match=r"customers\.csv, column 'home_store' .* an e-mail address"):
        release(shop.files, tmp_path / "out")


def test_a_check_finds_it_before_the_run(shop: SimpleNamespace, fields_file: Path) -> None:
    now = dt.datetime(2018, 1, 1, tzinfo=dt.UTC)
    refuse_bad(dry_run(load_fields(fields_file), shop.files, now))
    shop.customers["home_store"][1] = "ada@canary.example"
    shop.write()
    with pytest.raises(
        ContractError, match=r"customers\.csv: column 'home_store' .* an e-mail address, first in row 2"
    ):
        refuse_bad(dry_run(load_fields(fields_file), shop.files, now))


def test_a_name_in_one_of_several_interests_blocks(shop: SimpleNamespace, release: Release, tmp_path: Path) -> None:
    shop.customers["interests"][2] = "baking; Bert Canary"
    shop.write()
    with pytest.raises(RefusedError, match=r"column 'interests' .* a name or identifier"):
        release(shop.files, tmp_path / "out")


def test_a_name_in_a_product_title_blocks_unless_it_is_a_brand(
    shop: SimpleNamespace, release: Release, policy_file: PolicyFile, tmp_path: Path
) -> None:
    titles = catalogue(tmp_path / "catalogue.parquet", {"milk": "Milk", "bread": "Bread by Cleo Canary"})
    with pytest.raises(RefusedError, match="column 'title' holds what looks like a name"):
        release(shop.files, tmp_path / "out", catalogue=titles)
    brand = policy_file({LAST: f'{LAST}[gate]\nallow = ["Cleo Canary"]\n'})
    assert release(shop.files, tmp_path / "out", catalogue=titles, fields=brand).gate.passed


def test_words_that_are_names_too_and_numbers_of_goods_pass(
    shop: SimpleNamespace, release: Release, tmp_path: Path
) -> None:
    shop.receipts["item"] = ["canary seed", "5901234123457", "Milk 2@5.99", "ada"]
    shop.write()
    gate = release(shop.files, tmp_path / "out").gate
    assert gate.passed
    assert gate.canaries > 10


def test_an_internal_release_is_measured_and_nothing_more(
    shop: SimpleNamespace, release: Release, tmp_path: Path
) -> None:
    shop.write()
    gate = release(shop.files, tmp_path / "out").gate
    assert figure(gate, Measure.K_ANONYMITY) == 1  # a class of size one is told of, not blocked
    assert figure(gate, Measure.BELOW_K) == 1
    assert figure(gate, Measure.ITEMS) == 1
    assert gate.passed
    assert not gate.changes


def test_a_class_of_one_is_emptied_where_the_policy_says(
    shop: SimpleNamespace, release: Release, policy_file: PolicyFile, tmp_path: Path
) -> None:
    fields = policy_file({LAST: f'{LAST}[gate]\nk = 3\nclasses = "suppress"\n'})
    gate = release(shop.files, tmp_path / "out", fields=fields).gate
    assert figure(gate, Measure.K_ANONYMITY) == 3
    assert gate.changes == ("attributes emptied of 3 people, so that 3 share what is left",)
    people = pl.read_parquet(tmp_path / "out" / "subjects.parquet")
    assert people.select("adult", "interests", "store").unique().height == 1


def test_sensitive_values_of_a_class_are_counted(
    shop: SimpleNamespace, release: Release, policy_file: PolicyFile, tmp_path: Path
) -> None:
    lines = [f"{name} = " for name in ("interests", "birth_date", "home_store")]
    text = policy_file({}).read_text().splitlines()
    dropped = {line: f'{line.split(" = ")[0]} = {{ role = "drop" }}' for line in text if line.startswith(tuple(lines))}
    dropped[next(line for line in text if line.startswith("home_store"))] = (
        'home_store = { role = "feature", to = "store" }'
    )
    dropped['age = { role = "evaluation", set = "demographics" }'] = (
        'age = { role = "sensitive", set = "demographics" }'
    )
    shop.customers["home_store"], shop.customers["age"] = ["31"] * 3, ["45-54", "45-54", "65+"]
    shop.write()
    gate = release(shop.files, tmp_path / "out", fields=policy_file(dropped)).gate
    assert figure(gate, Measure.L_DIVERSITY) == 2
    assert figure(gate, Measure.BELOW_K) == 1  # three people, and k is 5
    fields = policy_file({LAST: f"{LAST}[gate]\nk = 3\n", **dropped})
    shop.customers["kids_count"] = ["2", "2", "3"]
    shop.write()
    gate = release(shop.files, tmp_path / "again", fields=fields).gate
    assert (figure(gate, Measure.BELOW_K), figure(gate, Measure.BELOW_K_JUDGED)) == (0, 1)


def test_rare_items_and_days_are_made_coarser_where_the_policy_says(
    shop: SimpleNamespace, release: Release, policy_file: PolicyFile, tmp_path: Path
) -> None:
    inputs = many(shop, lambda who: ["milk", f"own {who % 40}"])
    titles = catalogue(tmp_path / "catalogue.parquet", {"milk": "Milk"} | {f"own {n}": "Own" for n in range(40)})
    settings = '[gate]\nk = 5\ndays = "month"\nrare_items = '
    drop = release(inputs, tmp_path / "drop", fields=policy_file({LAST: f'{LAST}{settings}"drop"\n'}))
    bought = pl.read_parquet(tmp_path / "drop" / "purchases.parquet")
    assert (bought["item"].unique().to_list(), bought["day"].unique().to_list()) == (["milk"], [dt.date(2017, 1, 1)])
    assert drop.release.dropped["left out by the release gate"] == SHOPPERS
    assert figure(drop.gate, Measure.RARE_ITEMS) == 0
    merge = policy_file({LAST: f'{LAST}{settings}"merge"\n'})
    release(inputs, tmp_path / "merge", fields=merge, catalogue=titles)
    merged = PURCHASES.read(tmp_path / "merge" / "purchases.parquet")
    assert merged["item"].value_counts().sort("item").rows() == [("FOOD", SHOPPERS), ("milk", SHOPPERS)]
    with pytest.raises(UsageError, match="Name a catalogue"):
        release(inputs, tmp_path / "none", fields=merge)
    assert not (tmp_path / "none").exists()


def test_a_partner_gets_nothing_where_histories_are_unique(
    shop: SimpleNamespace, release: Release, tmp_path: Path
) -> None:
    """Everything is bought by thirty, and no two bought the same."""
    chosen = np.random.default_rng(1)
    inputs = many(shop, lambda _: [f"item {n}" for n in chosen.permutation(30)[:WEEKS]])
    with pytest.raises(RefusedError, match=r"unicity of released points: .*history linkage: ") as caught:
        release(inputs, tmp_path / "out", release=ReleaseClass.EXTERNAL, domain="partner")
    verdict = caught.value.verdict
    assert figure(verdict, Measure.LINKAGE) > 0.9
    assert len(verdict.steps) > 3
    assert all(trial.passes(0.05) for trial in verdict.proposals)
    assert not (tmp_path / "out").exists()
    assert no_leftovers(tmp_path)


def test_a_partner_gets_what_everybody_has_in_common(shop: SimpleNamespace, release: Release, tmp_path: Path) -> None:
    """All of them buy the same, so that nobody is told apart; amounts, receipts and what is rare do not go."""
    inputs = many(shop, lambda who: ["milk", "bread", *(["rare"] if who < 4 else [])])
    done = release([*inputs, shop.files[0]], tmp_path / "out", release=ReleaseClass.EXTERNAL, domain="partner")
    assert done.gate.passed
    assert sorted(done.release.rows) == ["purchases.parquet"]
    bought = PURCHASES.read(tmp_path / "out" / "purchases.parquet")
    assert bought.columns == ["subject", "item", "day", "quantity"]
    assert bought.height == 2 * SHOPPERS == done.release.rows["purchases.parquet"]
    assert bought["subject"].str.starts_with("s1.partner.01.").all()
    assert bought["quantity"].unique().to_list() == [1.0]
    assert "rare" not in bought["item"]
    assert bought.equals(bought.sort("subject", "item", "day"))
    handed_over = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert handed_over == ["purchases.parquet", "release.json"]
    sealed = release_beside(tmp_path / "out")
    assert sealed is not None
    assert not sealed.dropped  # how many were forgotten, or never offered, is not the partner's
    assert done.release.dropped["left out by the release gate"] == 4
    page = (tmp_path / "out.report.html").read_text()
    assert "Of each of 120 subjects, purchases: every item, the day, everything of each subject" in page
    assert "receipt</td><td>identifier</td><td>does not go to a partner" in page
    assert "consent to" not in page
    assert (tmp_path / "out.gate.json").is_file()


def test_a_partner_is_not_given_the_retailers_own_tokens(
    shop: SimpleNamespace, release: Release, tmp_path: Path
) -> None:
    inputs = many(shop, lambda _: ["milk"])
    with pytest.raises(UsageError, match="the retailer's own: a partner"):
        release(inputs, tmp_path / "out", release=ReleaseClass.EXTERNAL)
    assert not (tmp_path / "out").exists()


def test_the_gate_applies_its_proposal_or_that_of_the_policy(
    shop: SimpleNamespace, release: Release, policy_file: PolicyFile, tmp_path: Path
) -> None:
    chosen = np.random.default_rng(1)
    inputs = many(shop, lambda _: [f"item {n}" for n in chosen.permutation(30)[:WEEKS]])
    titles = catalogue(tmp_path / "catalogue.parquet", {f"item {n}": "Item" for n in range(30)})
    external = {"release": ReleaseClass.EXTERNAL, "domain": "partner", "catalogue": titles}
    applied = release(inputs, tmp_path / "applied", **external, apply=True).gate
    assert applied.passed
    assert applied.made == applied.proposals[0].setting
    asked = policy_file({LAST: f'{LAST}[gate.external]\nlevel = "department"\ndays = "none"\n'})
    done = release(inputs, tmp_path / "asked", **external, fields=asked)
    assert done.gate.made == Setting(Level.DEPARTMENT, Days.NONE)
    bought = PURCHASES.read(tmp_path / "asked" / "purchases.parquet")
    assert bought.select("item", "day").unique().rows() == [("FOOD", dt.date(2017, 1, 1))]
    weekly = pl.read_parquet(tmp_path / "asked" / "popularity.parquet")
    assert (weekly["subjects"] % 5 == 0).all()


def test_the_officers_page_needs_nothing_else_and_says_it_all(
    shop: SimpleNamespace, release: Release, tmp_path: Path
) -> None:
    report = release(shop.files, tmp_path / "out")
    page = (tmp_path / "out" / "report.html").read_text()
    assert "k-anonymity of attributes does not protect a history" in page
    assert "What a determined insider could still learn" in page
    assert "gate.known, gate.rare_items" in page
    for figure_ in report.gate.figures:
        assert str(figure_.measure) in page
    assert not [word for word in ("http:", "https:", "<script", "src=", "@import", "Canary") if word in page]


def test_a_name_in_a_category_that_goes_to_a_partner_blocks(
    shop: SimpleNamespace, release: Release, policy_file: PolicyFile, tmp_path: Path
) -> None:
    inputs = [shop.files[0], *many(shop, lambda _: ["milk"])]
    paths = pl.DataFrame({"item": ["milk"], "category": ["FOOD / Ada Canary's own"], "title": ["Milk"]})
    CATALOGUE.write(paths, tmp_path / "catalogue.parquet")
    asked = policy_file({LAST: f'{LAST}[gate.external]\nlevel = "department"\ndays = "none"\n'})
    external = {"release": ReleaseClass.EXTERNAL, "domain": "partner", "fields": asked}
    external["catalogue"] = tmp_path / "catalogue.parquet"
    with pytest.raises(RefusedError, match=r"popularity\.parquet, column 'category' .* a name or identifier"):
        release(inputs, tmp_path / "out", **external)


def test_two_draws_of_one_release_differ_and_a_draw_can_be_made_again(
    shop: SimpleNamespace, release: Release, policy_file: PolicyFile, tmp_path: Path
) -> None:
    fields = policy_file({LAST: f'{LAST}[gate.external]\nkeep = "sample"\nmost = 1\ndays = "none"\n'})
    inputs = many(shop, lambda _: ["milk", "bread", "eggs"])
    external = {"release": ReleaseClass.EXTERNAL, "domain": "partner", "fields": fields}
    drawn = {
        name: release(inputs, tmp_path / name, **external, seed=seed).release
        for name, seed in (("a", 1), ("again", 1), ("b", 2))
    }
    assert drawn["a"].fingerprint == drawn["again"].fingerprint != drawn["b"].fingerprint
