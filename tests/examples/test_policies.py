"""`examples/policies/`: they fit the catalogue, and nothing sensitive hides from them under an odd name."""

from __future__ import annotations

import re
from pathlib import Path

import polars as pl
import pytest

from recsys.contracts.catalogue import CATALOGUE
from recsys.contracts.offers import OFFERS
from recsys.policy import Placement, Policy, load_policy, never_items, place

pytestmark = pytest.mark.slow  # real data

FOLDER = Path(__file__).resolve().parents[2] / "examples" / "policies"

# Names that give a sensitive thing away, wherever it stands ...
SENSITIVE = re.compile(
    r"\b(PREGNAN\w*|CONTRACEPT\w*|PROPHYLACT\w*|FAMILY PLANNING|DOUCHES|YEAST TREATMENTS|FEM|FEMININE|MENSTRUAL"
    r"|INCONTINENCE|LAXATIVES?|HEMORRHOIDAL|DIET|DIETARY|DIET/.*|FITNESS|SMOKING|TOBACCO|CIG\w*|SNUFF"
    r"|BEER\w*|LIQUORS?|WINES?|VODKAS?|RUMS?|GIN|TEQUILA|WHISK\w*|BRANDY\w*|COGNAC|SCHNAPPS"
    r"|COCKTAIL MIXES|RTD COCKTAILS|PORK|BACON|HAMS?|SAUS\w*|KOSHER|BABY|BABYFOOD|INFANTS?|DIAPERS?|TODDLER"
    r"|MEDICAT\w*|MEDICINES?|ANALGESICS?|COLD AND FLU|SINUS|VITAMINS?|NUT SUPP|SUPPLEMENTS?"
    r"|RX|PHARMACY|HEARING|CANES|TESTING KITS|DENTURE|SLEEPING|STIMULANTS|ETHNIC|GAMBLING|AGE RESTRICTED)\b"
)
# ... and those that only look like it.
HARMLESS = (
    "BABY HBC / COTTON COTTON SWABS",
    "BABY HBC / PAPER NAPKINS",
    "BABY HBC / WOMENS HAIR SPRAYS",
    "BABY DOLL ACCESSORIES",
    "CHILI SAUCE COCKTAIL SAUCE",
    "FITNESS&HEALTH-MAGAZINE",
    "OTHER ETHNIC FOODS",
    "SPORTS MEDICINE",
    "VINEGAR ALL-EXCEPT WINE/RIC",
    "VINEGAR WINE/RICE",
)

NEVER = (
    "DRUG GM / FAMILY PLANNING / PREGNANCY TEST KITS",
    "DRUG GM / HOME HEALTH CARE / PREGNANCY TEST KITS",
    "DRUG GM / FAMILY PLANNING / FEMALE CONTRACEPTIVES",
    "DRUG GM / FAMILY PLANNING / PROPHYLACTICS",
    "DRUG GM / ORAL HYGIENE PRODUCTS / FEM HYGN DOUCHES",
    "DRUG GM / FEMININE HYGIENE / FEM YEAST TREATMENTS",
    "DRUG GM / DIETARY AID PRODUCTS / DIET CONTROL TABLETS/CAPSULE",
    "DRUG GM / VITAMINS / DIET CONTROL TABLETS/CAPSULE",
    "DRUG GM / CANDY - CHECKLANE / DIET CNTRL BARS NUTRITIONAL",
    "NUTRITION / FITNESS&DIET / FITNESS&DIET-CAPSULES&TABLETS",
    "DRUG GM / ADULT INCONTINENCE / ADULT INCONTINENCE PADS",
    "DRUG GM / LAXATIVES / HEMORRHOIDAL",
    "DRUG GM / BABY HBC / LAXATIVES",
    "DRUG GM / SMOKING CESSATIONS / SMOKING CESSATION",
    "DRUG GM / ANALGESICS / SLEEPING AIDS",
    "DRUG GM / BATTERIES / N-PRESC HEARING AID BATTERIES",
    "DRUG GM / J-HOOKS / CONVALESCENT CARE - CANES",
)
ONLY_IF_PURCHASED = {
    "alcohol": (
        "GROCERY / BEERS/ALES / BEERALEMALT LIQUORS",
        "GROCERY / DOMESTIC WINE / BOX WINES",
        "GROCERY / IMPORTED WINE / FRENCH WINES",
        "GROCERY / MISC WINE / SPARKLING WINES",
        "GROCERY / LIQUOR / COCKTAIL MIXES-FLUID:ADD LIQ",
        "SPIRITS / LIQUOR / TRADITIONAL GIN",
        "FLORAL / GIFT & FRUIT BASKETS / GIFT BASKETS BEER",
    ),
    "alcohol-linked": (
        "GROCERY / FRZN JCE CONC/DRNKS / COCKTAIL MIXES-FRZ",
        "GROCERY / CONDIMENTS/SAUCES / COOKING WINES",
    ),
    "tobacco": (
        "DRUG GM / CIGARETTES / CIGARETTES",
        "DRUG GM / TOBACCO OTHER / CHEWING TOBACCO",
        "DRUG GM / WATCHES/CALCULATORS/LOBBY / CIG LIGHTERS/LTR FLUID/PIPES",
    ),
    "pork": (
        "MEAT / PORK / RIBS",
        "MEAT-PCKGD / BACON / PREMIUM",
        "MEAT / SMOKED MEATS / HAMS-SPIRAL",
        "MEAT / TURKEY / HAMS-SPIRAL",
        "MEAT-PCKGD / LUNCHMEAT / HAM",
        "DELI / DELI MEATS / MEAT:HAM BULK",
        "GROCERY / FRZN MEAT/MEAT DINNERS / PORK-FULLY COOKED",
        "GROCERY / BEANS - CANNED GLASS & MW / PREPARED BEANS - BAKED W/PORK",
    ),
    "mixed-meat": (
        "MEAT-PCKGD / HOT DOGS / PREMIUM - MEAT",
        "MEAT-PCKGD / BREAKFAST SAUSAGE/SANDWICHES / LINKS - RAW",
        "GROCERY / MEAT - SHELF STABLE / LUNCHEON MEAT",
    ),
    "kosher": ("GROCERY / HISPANIC / KOSHER FOODS", "MEAT-PCKGD / HOT DOGS / KOSHER/SPECIALTY"),
    "infants": (
        "DRUG GM / BABY FOODS / BABY JUICES",
        "NUTRITION / BABYFOOD / BABY FOOD",
        "NUTRITION / CEREAL/BREAKFAST / BABY CEREAL",
        "DRUG GM / INFANT FORMULA / INFANT FORMULA SOY BASE",
        "DRUG GM / DIAPERS & DISPOSABLES / BABY DIAPERS",
        "DRUG GM / EYE AND EAR CARE PRODUCTS / BABY DIAPERS",
        "DRUG GM / HAIR CARE PRODUCTS / BABY SOAPS",
        "GROCERY / CRACKERS/MISC BKD FD / BABY FOOD - BEGINNER",
        "DRUG GM / J-HOOKS / FEEDING ACCESSORIES BOTTLES",
    ),
    "feminine-hygiene": (
        "DRUG GM / FEMININE HYGIENE / FEM. HYGN. TAMPONS",
        "DRUG GM / ANALGESICS / MENSTRUAL ANALGESICS",
        "DRUG GM / PHARMACY / MENSTRUAL ANALGESICS",
    ),
    "medicines": ("DRUG GM / ANTACIDS / ANTI-ACIDS", "DRUG GM / HAND/BODY/FACIAL PRODUCTS / ACNE MEDICATIONS"),
    "special-diets": ("NUTRITION / FITNESS&DIET / FITNESS&DIET - BARS", "GROCERY / RESTRICTED DIET / COOKIES"),
    "ethnic-care": ("DRUG GM / HAIR CARE PRODUCTS / ETHNIC HAIR CARE", "DRUG GM / MAGAZINE / ETHNIC-MAGAZINE"),
    "age-restricted": ("DRUG GM / FIREWORKS / AGE RESTRICTED FIREWORKS",),
}
OPEN_TO_ALL = (
    "GROCERY / YOGURT / YOGURT MULTI-PACKS",
    "GROCERY / BAKED BREAD/BUNS/ROLLS / HAMBURGER BUNS",
    "DRUG GM / BABY HBC / COTTON COTTON SWABS",
    "DRUG GM / TOYS AND GAMES / BABY DOLL ACCESSORIES",
    "DRUG GM / DOMESTIC GOODS / BEDDING ACCESSORIES",
    "GROCERY / CONDIMENTS/SAUCES / VINEGAR WINE/RICE",
    "MEAT / BEEF / LEAN",
    "MEAT / TURKEY / GROUND TURKEY",
    "GROCERY / HISPANIC / MEXICAN TACO TOSTADO SHELLS",
    "DRUG GM / SUNTAN / SUNTAN PROD W/SPF LOTION/OIL",
)


@pytest.fixture(scope="module")
def catalogue(few: Path) -> pl.DataFrame:
    return CATALOGUE.read(few / "catalogue.parquet")


@pytest.fixture(scope="module")
def grocery() -> Policy:
    return load_policy(FOLDER / "grocery.toml")


@pytest.fixture(scope="module")
def placed(grocery: Policy, catalogue: pl.DataFrame) -> Placement:
    return place(grocery, catalogue)


def items_of(catalogue: pl.DataFrame, path: str) -> set[str]:
    items = set(catalogue.filter(pl.col("category") == path)["item"])
    assert items, path
    return items


@pytest.mark.parametrize("name", ["grocery", "minimal", "sensitive-groups"])
def test_every_name_in_a_policy_is_in_the_catalogue(name: str, catalogue: pl.DataFrame) -> None:
    policy = load_policy(FOLDER / f"{name}.toml")

    assert policy.name == name
    assert place(policy, catalogue).warnings == ()


@pytest.mark.parametrize("name", ["grocery", "minimal", "sensitive-groups"])
def test_every_group_has_a_rule_and_a_reason(name: str) -> None:
    policy = load_policy(FOLDER / f"{name}.toml")
    ruled = set(policy.never).union(*(rule.groups for rule in policy.only_if_purchased))

    assert ruled == set(policy.groups)
    assert all(group.description for group in policy.groups.values())


@pytest.mark.parametrize("name", ["grocery", "minimal", "sensitive-groups"])
def test_no_group_opens_another(name: str) -> None:
    for rule in load_policy(FOLDER / f"{name}.toml").only_if_purchased:
        assert rule.level == "category" or len(rule.groups) == 1


@pytest.mark.parametrize("path", NEVER)
def test_offered_to_nobody(path: str, grocery: Policy, placed: Placement, catalogue: pl.DataFrame) -> None:
    assert items_of(catalogue, path) <= placed.items_of(grocery.never)


@pytest.mark.parametrize(("group", "path"), [(g, path) for g, paths in ONLY_IF_PURCHASED.items() for path in paths])
def test_offered_only_to_those_who_buy_it(
    group: str, path: str, grocery: Policy, placed: Placement, catalogue: pl.DataFrame
) -> None:
    assert group in {name for rule in grocery.only_if_purchased for name in rule.groups}
    assert items_of(catalogue, path) <= placed.members[group]


@pytest.mark.parametrize("path", OPEN_TO_ALL)
def test_open_to_everyone(path: str, placed: Placement, catalogue: pl.DataFrame) -> None:
    assert not items_of(catalogue, path) & placed.items_of(placed.members)


def test_nothing_with_a_telling_name_is_open_to_everyone(placed: Placement, catalogue: pl.DataFrame) -> None:
    covered = placed.items_of(placed.members)
    open_paths = catalogue.filter(~pl.col("item").is_in(list(covered)))["category"].drop_nulls().unique()
    telling = {path for path in open_paths if SENSITIVE.search(path)}

    assert not {path for path in telling if not path.endswith(HARMLESS)}


def test_the_grocery_policy_uses_every_kind_of_rule(grocery: Policy) -> None:
    used = (grocery.never, grocery.adults_only, grocery.only_if_purchased, grocery.past_purchase_trap)
    assert all((*used, grocery.cool_down, grocery.fatigue, grocery.cap, grocery.diversity))


def test_the_library_covers_what_is_sensitive() -> None:
    library = load_policy(FOLDER / "sensitive-groups.toml")
    assert set(library.groups) == {
        *("reproductive-health", "sexual-health", "mental-health", "weight-loss", "incontinence", "gambling"),
        *("alcohol", "tobacco", "religion-linked-food", "infants"),
    }
    without = {name for name, group in library.groups.items() if not group.article9}
    assert without == {"gambling", "alcohol", "tobacco"}


def test_mixed_meat_does_not_open_pork(grocery: Policy, placed: Placement, catalogue: pl.DataFrame) -> None:
    assert not items_of(catalogue, "MEAT-PCKGD / HOT DOGS / PREMIUM - MEAT") & placed.members["pork"]
    assert [rule.level for rule in grocery.only_if_purchased if "mixed-meat" in rule.groups] == ["category"]


def test_dropping_what_is_never_offered_loses_little(few: Path, grocery: Policy, catalogue: pl.DataFrame) -> None:
    receipts = pl.read_parquet(few / "receipts.parquet")
    dropped = receipts["item"].is_in(list(never_items(grocery, catalogue))).mean()

    assert 0 < dropped < 0.01


def test_the_widest_coupon_holds_what_nobody_is_offered(few: Path, grocery: Policy, catalogue: pl.DataFrame) -> None:
    offers = OFFERS.read(few / "offers.parquet").sort(pl.col("items").list.len())

    assert not never_items(grocery, catalogue).isdisjoint(offers["items"][-1])
