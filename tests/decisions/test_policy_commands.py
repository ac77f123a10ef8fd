"""`recsys-evaluate policy check` and `policy explain`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from support.commands import assert_clear_failure, run
from support.shop import ABSTAINER, DRINKER, FOREIGN, POLICY, STRANGER, UNREACHABLE, Shop

pytestmark = pytest.mark.slow  # a fitted bundle


def explained(files: list[object], guards: Path, subject: str, offer: str, *more: object) -> dict[str, object]:
    done = run("recsys", "policy", "explain", guards, *files, "--offer", offer, "--json", *more, stdin=f"{subject}\n")
    assert done.returncode == 0, done.stderr
    assert subject not in done.stdout + done.stderr
    answer = json.loads(done.stdout)
    assert isinstance(answer, dict)
    return answer


def test_a_policy_that_fits_its_catalogue(shop: Shop) -> None:
    done = run("recsys", "policy", "check", shop.guards, "--catalogue", shop.file("catalogue"), "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["items"] == {"alcohol": 6, "pregnancy": 3}
    assert found["warnings"] == []


def test_what_matches_nothing_is_a_warning_with_its_place(shop: Shop, tmp_path: Path) -> None:
    guards = tmp_path / "g.toml"
    guards.write_text('version = 1\n\n[groups.drinks]\ncategories = ["WINE", "BEERS/ALE"]\n')
    done = run("recsys", "policy", "check", guards, "--catalogue", shop.file("catalogue"))
    assert done.returncode == 0
    assert f"{guards}, line 4, column 23, groups.drinks.categories[2]" in done.stderr
    assert "the nearest is 'BEERS/ALES'" in done.stderr
    assert "1 warning." in done.stderr


def test_what_cannot_be_meant_is_an_error_with_its_place(shop: Shop, tmp_path: Path) -> None:
    guards = tmp_path / "g.toml"
    guards.write_text("version = 1\nunknown_categry = 'allow'\n")
    done = run("recsys", "policy", "check", guards, "--catalogue", shop.file("catalogue"))
    assert_clear_failure(done, "line 2, column 1", "unknown key 'unknown_categry'", "'unknown_category'")


def test_the_first_and_all_rules_that_withhold_an_offer(files: list[object], tmp_path: Path) -> None:
    guards = tmp_path / "g.toml"
    guards.write_text(POLICY.replace("version = 1", 'version = 1\nadults_only = ["alcohol"]'))
    assert explained(files, guards, ABSTAINER, "offer-wine-1") == {
        "offer_id": "offer-wine-1",
        "withheld_by": ["age", "only_if_purchased"],
    }
    assert explained(files, guards, UNREACHABLE, "offer-test-1")["withheld_by"] == ["consent", "never", "unnamed"]
    assert explained(files, guards, STRANGER, "offer-milk-1")["withheld_by"] == ["consent"]


def test_an_offer_that_goes_out_has_its_place(shop: Shop, files: list[object]) -> None:
    places = {}
    for offer in ("offer-wine-1", "offer-milk-1", "offer-bread-1"):
        answer = explained(files, shop.guards, DRINKER, offer, "--k", 100)
        places[answer["rank"]] = answer["score"]
    assert len(places) == 3
    assert [places[place] for place in sorted(places)] == sorted(places.values(), reverse=True)


def test_an_offer_that_is_outranked_or_passed_over(shop: Shop, files: list[object], tmp_path: Path) -> None:
    answers = [explained(files, shop.guards, DRINKER, f"offer-{kind}-1", "--k", 1) for kind in ("wine", "milk", "tea")]
    assert ["outranked"] in [answer.get("withheld_by") for answer in answers]
    guards = tmp_path / "g.toml"
    guards.write_text(f"{POLICY}\n[[diversity]]\nmax = 1\ndepth = 1\n")
    kinds = ("milk", "tea", "bread", "rice")
    answers = [explained(files, guards, DRINKER, f"offer-{kind}-1") for kind in kinds]
    assert ["diversity"] in [answer.get("withheld_by") for answer in answers]


@pytest.mark.parametrize(
    ("subject", "offer", "part"),
    [
        ("joe@example.org", "offer-milk-1", "not a token"),
        (FOREIGN, "offer-milk-1", "domain"),
        (DRINKER, "o", "no such"),
    ],
)
def test_a_question_that_cannot_be_asked(shop: Shop, files: list[object], subject: str, offer: str, part: str) -> None:
    done = run("recsys", "policy", "explain", shop.guards, *files, "--offer", offer, stdin=subject)
    assert_clear_failure(done, part)
    assert subject not in done.stderr
