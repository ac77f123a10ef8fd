"""`examples/complete_journey/prepare.py`: deterministic, consistent, and what it says it is."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from recsys.contracts.catalogue import CATALOGUE, split_path
from recsys.contracts.offers import OFFERS

pytestmark = pytest.mark.slow  # real data

CUSTOMER_COLUMNS = [
    *("loyalty_card", "name", "email", "phone", "birth_date", "address", "home_store", "interests"),
    *("consent_profiling", "consent_training", "consent_email", "consent_app", "consent_till"),
    *("age", "income", "home_ownership", "marital_status", "household_size", "household_comp", "kids_count"),
]
FILES = ["catalogue.parquet", "customers.csv", "offers.parquet", "receipts.parquet", "redemptions.csv"]
FIRST_DAY, LAST_DAY = dt.date(2017, 1, 1), dt.date(2017, 12, 31)


def read(folder: Path, name: str) -> pl.DataFrame:
    path = folder / name
    return pl.read_csv(path, infer_schema=False) if path.suffix == ".csv" else pl.read_parquet(path)


def digests(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}


def years_old(born: dt.date, day: dt.date) -> int:
    return day.year - born.year - ((day.month, day.day) < (born.month, born.day))


def luhn_holds(card: str) -> bool:
    total = 0
    for place, digit in enumerate(reversed(card)):
        value = int(digit) * (2 if place % 2 else 1)
        total += value // 10 + value % 10
    return total % 10 == 0


def test_same_options_same_bytes_whatever_the_hash_seed_and_thread_count(few: Path, make: Callable[..., Path]) -> None:
    again = make("--households", "60", PYTHONHASHSEED="7", POLARS_MAX_THREADS="1")

    assert sorted(digests(few)) == FILES
    assert digests(few) == digests(again)


def test_another_seed_invents_other_people_for_the_same_products(few: Path, other: Path) -> None:
    ours, theirs = read(few, "customers.csv"), read(other, "customers.csv")

    for column in ("loyalty_card", "address"):
        assert not set(ours[column]) & set(theirs[column])
    assert len(set(ours["name"]) & set(theirs["name"])) < 3
    assert digests(few)["catalogue.parquet"] == digests(other)["catalogue.parquet"]


def test_columns_and_types(few: Path) -> None:
    assert read(few, "customers.csv").columns == CUSTOMER_COLUMNS
    assert dict(read(few, "receipts.parquet").schema) == {
        "loyalty_card": pl.String(),
        "receipt": pl.String(),
        "sold_at": pl.Datetime("us"),
        "item": pl.String(),
        "quantity": pl.Int64(),
        "value": pl.Float64(),
        "store": pl.String(),
    }
    assert read(few, "redemptions.csv").columns == ["loyalty_card", "offer_id", "redeemed_on"]


def test_receipts_and_redemptions_belong_to_customers(few: Path) -> None:
    customers = set(read(few, "customers.csv")["loyalty_card"])

    assert len(customers) == 60
    assert set(read(few, "receipts.parquet")["loyalty_card"]) == customers
    assert set(read(few, "redemptions.csv")["loyalty_card"]) <= customers


def test_offers_are_live_in_the_week_and_sell_what_the_catalogue_holds(few: Path) -> None:
    catalogue, offers = CATALOGUE.read(few / "catalogue.parquet"), OFFERS.read(few / "offers.parquet")
    monday = dt.datetime(2017, 11, 27, tzinfo=dt.UTC)

    assert set(offers["items"].explode()) <= set(catalogue["item"])
    assert offers["items"].list.n_unique().equals(offers["items"].list.len())
    assert (offers["valid_from"] < monday + dt.timedelta(days=7)).all()
    assert (offers["valid_until"] > monday).all()
    coupons = offers.filter(~pl.col("campaign").str.starts_with("mailer"))
    assert coupons["title"].str.starts_with("Coupon: ").all()
    assert (coupons["offer_id"].str.split("-").list.first() == coupons["campaign"]).all()
    assert coupons.height == 246


def test_the_mailer_has_one_offer_a_type_and_advertises_beer(few: Path) -> None:
    catalogue, offers = CATALOGUE.read(few / "catalogue.parquet"), OFFERS.read(few / "offers.parquet")
    mailer = offers.filter(pl.col("campaign") == "mailer-49").explode("items").rename({"items": "item"})
    types = mailer.join(catalogue, on="item").group_by("offer_id").agg(pl.col("category").unique())

    assert (types["category"].list.len() == 1).all()
    assert types["category"].explode().n_unique() == types.height == 210
    assert types["category"].explode().str.contains("BEERS/ALES", literal=True).any()


def test_redemptions_of_live_campaigns_name_live_offers(few: Path) -> None:
    redemptions = read(few, "redemptions.csv").with_columns(
        pl.col("offer_id").str.split("-").list.first().alias("campaign")
    )
    offers = OFFERS.read(few / "offers.parquet")
    live = redemptions.filter(pl.col("campaign").is_in(offers["campaign"].implode()))

    assert live.height > 0
    assert set(live["offer_id"]) <= set(offers["offer_id"])


def test_another_week_has_other_offers(other: Path) -> None:
    # Campaign 9 begins on the Wednesday of that week, campaign 8 runs on, campaign 7 ended the day before it.
    assert set(OFFERS.read(other / "offers.parquet")["campaign"]) == {"8", "9", "mailer-23"}


def test_cards_emails_and_phones_are_unique_and_nobodys(few: Path) -> None:
    customers = read(few, "customers.csv")
    digits = customers["phone"].str.replace_all(r"\D", "").str.slice(-10)

    assert customers["loyalty_card"].str.contains(r"^9840\d{12}$").all()
    assert all(luhn_holds(card) for card in customers["loyalty_card"])
    assert customers["email"].str.to_lowercase().is_unique().all()
    assert customers["email"].str.contains(r"(?i)^[a-z0-9._]+@example\.(com|net|org)$").all()
    assert digits.is_unique().all()
    assert digits.str.contains(r"^\d{3}55501\d\d$").all()
    assert customers["address"].str.contains(r", [A-Z]{2} \d{5}$").all()


def test_age_bands_hold_all_year_and_nobody_is_a_minor(few: Path) -> None:
    customers = read(few, "customers.csv")

    for born_on, band in customers.select("birth_date", "age").iter_rows():
        born = dt.date.fromisoformat(born_on)
        youngest, oldest = years_old(born, FIRST_DAY), years_old(born, LAST_DAY)
        assert youngest >= 18
        if band is not None:
            low, _, high = band.replace("+", "-120").partition("-")
            assert int(low) <= youngest <= oldest <= int(high)
    assert customers["age"].null_count() not in {0, customers.height}


def test_consents_are_yes_no_or_empty(few: Path) -> None:
    consents = read(few, "customers.csv").select(pl.col("^consent_.*$"))

    assert consents.width == 5
    assert set(consents.unpivot()["value"]) == {"yes", "no", None}


def test_interests_are_few_and_really_bought(few: Path) -> None:
    customers, receipts = read(few, "customers.csv"), read(few, "receipts.parquet")
    catalogue = CATALOGUE.read(few / "catalogue.parquet")
    paths = dict(catalogue.select("item", "category").drop_nulls().iter_rows())
    early = receipts.filter(pl.col("sold_at") < dt.datetime(2017, 4, 1))  # noqa: DTZ001 - the shops' own clocks
    declared = customers.drop_nulls("interests")

    assert 10 <= declared.height <= 35
    for card, text in declared.select("loyalty_card", "interests").iter_rows():
        bought = {
            part
            for item in early.filter(pl.col("loyalty_card") == card)["item"]
            for part in split_path(paths.get(item, ""))
        }
        interests = text.split(";")
        assert 1 <= len(interests) <= 3
        assert set(interests) <= bought


def test_home_store_is_where_they_shop_most(few: Path) -> None:
    visits = (
        read(few, "receipts.parquet")
        .select("loyalty_card", "store", "receipt")
        .unique()
        .group_by("loyalty_card", "store")
    ).len()
    most = visits.group_by("loyalty_card").agg(pl.col("len").max())
    home = read(few, "customers.csv").select("loyalty_card", pl.col("home_store").alias("store"))

    assert home.join(visits, on=["loyalty_card", "store"]).join(most, on=["loyalty_card", "len"]).height == home.height


def test_what_is_not_merchandise_has_no_category(few: Path) -> None:
    catalogue = CATALOGUE.read(few / "catalogue.parquet")
    known = catalogue.drop_nulls("category")
    parts = {part for path in known["category"].unique() for part in split_path(path)}

    assert all(len(split_path(path)) == 3 for path in known["category"].unique())
    assert not parts & {"FUEL", "MISCELLANEOUS COUPON", "COUPON/MISC ITEMS", "COUPONS/STORE & MFG", "POSTAL CENTER"}
    assert not any("  " in part or part != part.strip() for part in parts)
    assert catalogue["category"].null_count() == 957
    assert set(catalogue["brand"].str.extract(r"^(\w+) \d+$")) == {"National", "Private"}


def test_titles_read_like_titles(few: Path) -> None:
    titles = CATALOGUE.read(few / "catalogue.parquet")["title"]

    assert {"Toilet tissue, 6 CT", "Beef, lean", "Bacon, premium, 16 OZ"} <= set(titles)
    assert titles.str.contains(r"^[^a-z]").all()
    assert not titles.str.contains(r"(?i)\bfrzn\b|\bdrnk\b|\bhygn\b|\([^)]*$").any()


def test_categories_are_called_what_shoppers_call_them(few: Path) -> None:
    catalogue = CATALOGUE.read(few / "catalogue.parquet")
    called = dict(catalogue.drop_nulls("category").select("category", "category_title").iter_rows())
    everyday = pl.read_csv(Path(__file__).parents[2] / "examples" / "complete_journey" / "everyday.csv")

    assert called["GROCERY / SOFT DRINKS / SFT DRNK SNGL SRV BTL CARB (EX"] == "soft drinks"
    assert called["GROCERY / FLUID MILK PRODUCTS / FLUID MILK WHITE ONLY"] == "milk"
    assert set(everyday["everyday"]) <= set(called.values())
    assert not set(everyday["name"]) & set(called.values())
    assert everyday["name"].is_unique().all()
    assert all(name and name == name.strip() for name in called.values())
    assert catalogue.filter(pl.col("category").is_null())["category_title"].null_count() == 957


@pytest.mark.parametrize(
    ("arguments", "status", "told"),
    [
        (("--week-of", "soon"), 2, "--week-of: is not a date"),
        (("--week-of", "2019-01-07"), 2, "--week-of: no campaign ran in that week"),
        (("--households", "2470"), 2, "--households: there are only 2,469"),
    ],
)
def test_wrong_use_is_told_on_one_line_and_writes_nothing(
    prepare: Callable[..., object], tmp_path: Path, arguments: tuple[str, ...], status: int, told: str
) -> None:
    done = prepare("--out", str(tmp_path / "raw"), *arguments)

    assert done.returncode == status
    assert told in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert not list(tmp_path.iterdir())


def test_a_folder_that_holds_something_is_left_alone(prepare: Callable[..., object], tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")

    done = prepare("--out", str(tmp_path), "--households", "5")

    assert done.returncode == 1
    assert "is not an empty folder" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_the_whole_is_complete_and_the_few_are_a_part_of_it(everyone: Path, few: Path) -> None:
    customers, receipts = read(everyone, "customers.csv"), read(everyone, "receipts.parquet")

    assert customers.height == 2_469
    assert receipts.height == 1_469_307
    assert read(everyone, "redemptions.csv").height == 2_102
    assert customers["age"].count() == 801
    assert (receipts["quantity"] == 0).sum() == 8_869
    assert receipts["sold_at"].dt.date().min() == FIRST_DAY
    assert receipts["sold_at"].dt.date().max() == LAST_DAY
    assert set(read(few, "customers.csv").iter_rows()) <= set(customers.iter_rows())
    part = receipts.filter(pl.col("loyalty_card").is_in(read(few, "customers.csv")["loyalty_card"].implode()))
    assert part.equals(read(few, "receipts.parquet"))


def test_the_catalogue_keeps_exactly_the_lines_of_the_published_protocol(everyone: Path) -> None:
    catalogue = CATALOGUE.read(everyone / "catalogue.parquet").drop_nulls("category")
    lines = read(everyone, "receipts.parquet").filter(pl.col("quantity") > 0).join(catalogue, on="item")
    by_week_40 = lines.filter(pl.col("sold_at") < dt.datetime(2017, 10, 2))  # noqa: DTZ001 - the shops' own clocks
    buyers = by_week_40.group_by("category").agg(pl.col("loyalty_card").n_unique())

    assert lines.height == 1_439_701
    assert lines["category"].n_unique() == 3_314
    assert buyers.filter(pl.col("loyalty_card") >= 5).height == 2_120


def test_everyone_is_unique_and_shares_are_as_stated(everyone: Path) -> None:
    customers = read(everyone, "customers.csv")
    shares = {"profiling": 0.92, "training": 0.90, "email": 0.80, "app": 0.60, "till": 0.85}

    for column in ("loyalty_card", "email", "phone"):
        assert customers[column].str.to_lowercase().str.replace_all(r"[^\w@.]|_", "").is_unique().all()
    for purpose, share in shares.items():
        given = customers[f"consent_{purpose}"]
        assert abs((given == "yes").sum() / customers.height - share) < 0.03
        assert abs(given.null_count() / customers.height - (1 - share) / 2) < 0.03
    assert abs(customers["interests"].count() / customers.height - 1 / 3) < 0.03
    both = ((customers["consent_email"] == "yes") & (customers["consent_app"] == "yes")).sum() / customers.height
    assert abs(both - 0.80 * 0.60) < 0.03
    assert customers["name"].str.contains(r"[^\x00-\x7f]").mean() > 0.1
    assert customers["email"].str.contains(r"^[\x00-\x7f]+$").all()
    assert 0.02 < customers["email"].str.contains(r"[A-Z]").mean() < 0.08
