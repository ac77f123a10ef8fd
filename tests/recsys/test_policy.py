from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from recsys.errors import PolicyError
from recsys.policy import load_policy, never_items, place

CATALOGUE = pl.DataFrame(
    {
        "item": ["beer", "wine", "test", "milk", "odd"],
        "category": [
            "GROCERY / BEERS/ALES / LAGER",
            "GROCERY / DOMESTIC WINE / RED",
            "DRUG GM / FAMILY PLANNING / PREGNANCY TEST KITS",
            "GROCERY / MILK / FLUID",
            None,
        ],
        "title": ["Beer", "Wine", "Test", "Milk", "Odd"],
    }
)


def policy_file(folder: Path, text: str) -> Path:
    path = folder / "policy.toml"
    path.write_text(text)
    return path


def test_groups_match_parts_of_a_path_in_any_case(tmp_path: Path) -> None:
    policy = load_policy(
        policy_file(
            tmp_path,
            """
            version = 1
            name = "t"
            never = ["reproductive"]
            [groups.reproductive]
            categories = ["pregnancy test kits"]
            [groups.alcohol]
            categories = ["beers/ales", "GROCERY / DOMESTIC WINE"]
            items = ["cider"]
            [groups.not-adjacent]
            categories = ["GROCERY / LAGER"]
            """,
        )
    )
    placement = place(policy, CATALOGUE)
    assert placement.members["alcohol"] == {"beer", "wine", "cider"}
    assert placement.members["not-adjacent"] == frozenset()
    assert never_items(policy, CATALOGUE) == {"test"}
    assert any("no item 'cider'" in warning for warning in placement.warnings)


def test_a_category_that_does_not_exist_is_a_warning_with_the_nearest_name(tmp_path: Path) -> None:
    policy = load_policy(policy_file(tmp_path, 'version = 1\n[groups.wine]\ncategories = ["DOMESTC WINE"]\n'))
    (warning,) = place(policy, CATALOGUE).warnings
    assert "'DOMESTC WINE'" in warning
    assert "'DOMESTIC WINE'" in warning


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ('version = 1\nnevr = ["x"]', ["unknown key 'nevr'", "'never'"]),
        ('version = 1\n[groups.a]\ncategory = ["x"]', ["unknown key 'category'", "'categories'"]),
        ('version = 1\nnever = ["alcohl"]\n[groups.alcohol]\nitems = ["x"]', ["'alcohl'", "'alcohol'"]),
        ("version = 1\n[groups.a]\n", ["neither categories nor items"]),
        ("version = 2\n", ["version"]),
        ("", ["version"]),
        ("version = ", ["not TOML"]),
        (
            """
            version = 1
            groups.a.items = ["x"]
            only_if_purchased = [{ groups = ["a"], min_days = 0, within_days = 9 }]
            """,
            ["min_days"],
        ),
    ],
)
def test_a_policy_that_cannot_be_meant_is_refused(text: str, parts: list[str], tmp_path: Path) -> None:
    path = policy_file(tmp_path, text)
    with pytest.raises(PolicyError) as refusal:
        load_policy(path)
    assert all(part in str(refusal.value) for part in (str(path), *parts)), refusal.value


def test_an_unreadable_policy_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PolicyError, match="cannot be read"):
        load_policy(tmp_path / "absent.toml")
    (tmp_path / "latin.toml").write_bytes(b'name = "caf\xe9"')
    with pytest.raises(PolicyError, match="UTF-8"):
        load_policy(tmp_path / "latin.toml")


def test_the_version_of_a_policy_is_its_bytes(tmp_path: Path) -> None:
    first = load_policy(policy_file(tmp_path, 'version = 1\nname = "shop"\n'))
    second = load_policy(policy_file(tmp_path, 'version = 1\nname = "shop"\n# a comment\n'))
    assert first.policy_version.startswith("shop@")
    assert first.policy_version != second.policy_version
