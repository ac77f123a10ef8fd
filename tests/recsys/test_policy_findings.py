"""What is wrong or odd in a policy is said with its line and column."""

from __future__ import annotations

import time
import tomllib
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsys.contracts.offers import OFFERS
from recsys.errors import PolicyError
from recsys.offer_book import open_offer_book
from recsys.policy import load_policy, place
from recsys.policy.locations import line_and_column, locate

CATALOGUE = pl.DataFrame({"item": ["beer", "tea"], "category": ["DRINK / BEER", "DRINK / TEA"], "title": ["B", "T"]})
HEAD = 'version = 1\n[groups.a]\ncategories = ["BEER"]\n[groups.b]\nitems = ["tea"]\n'


def refused(folder: Path, text: str) -> str:
    path = folder / "p.toml"
    path.write_text(text)
    with pytest.raises(PolicyError) as refusal:
        load_policy(path)
    return str(refusal.value).removeprefix(f"{path}, ")


def warned(folder: Path, text: str) -> list[str]:
    path = folder / "p.toml"
    path.write_text(text)
    return [text.removeprefix(f"{path}, ") for text in place(load_policy(path), CATALOGUE).warnings]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (f"{HEAD}[fatigue]\nafer = 3\n", "line 7, column 1, fatigue.afer: unknown key 'afer'. Did you mean 'after'?"),
        (f"{HEAD}[fatigue]\nafter = 0\n", "line 7, column 1, fatigue.after: must be a whole number, at least 1. See"),
        (
            f'{HEAD}[[cap]]\nper = "week"\nmax = 1\nhours = 1',
            "line 7, column 1, cap[1].per: 'week' is none of 'offer', 'category', 'channel', 'overall'.",
        ),
        (f"{HEAD}[[cap]]\nmax = 1\nhours = 1", "line 6, column 1, cap[1]: lacks 'per'."),
        (
            f'{HEAD}[[cool_down]]\ngroups = ["a"]\ndays = 1\nlevel = "groups"',
            "line 9, column 1, cool_down[1].level: 'groups' is none of 'item', 'category', 'group'.",
        ),
        (f"{HEAD}[fatigue]\nafter = 2.5", "line 7, column 1, fatigue.after: must be a whole number, and is a number"),
        ('never = "a"\nversion = 1', "line 1, column 1, never: must be a list, and is text."),
        ("name = 'x'", "lacks 'version'."),
        (f"{HEAD}lern = false", "line 6, column 1, groups.b.lern: unknown key 'lern'. Did you mean 'learn'?"),
        (f"{HEAD}learn = 0", "line 6, column 1, groups.b.learn: must be true or false, and is a whole number."),
        (f'never = [\n  "a",\n  "ab",\n]\n{HEAD}', "line 3, column 3, never[2]: there is no group 'ab'"),
        (f'{HEAD}[[cool_down]]\ngroups = ["c"]\ndays = 1', "line 7, column 11, cool_down[1].groups[1]: there is no"),
        (f"{HEAD}[[cool_down]]\ndays = 1", "line 6, column 1, cool_down[1]: names nothing"),
        (
            f'{HEAD}[[boosts.lift]]\nby = 1\n[[boosts.lift]]\nby = 1\noffers = ["o"]',
            "line 6, column 1, boosts.lift[1]: nam",
        ),
        (
            f'never = ["a"]\n{HEAD}[groups.c]\nitems = ["x"]\nname = true\n[holdout]\nsalt="short"',
            "line 11, column 1, holdout.salt: must be text of at least 8 characters.",
        ),
        (f'{HEAD}[holdout]\nsalt="long enough"\nempty = 0.6\npopular = 0.5', "line 6, column 1, holdout: has shares"),
        (
            f'never = ["b"]\n{HEAD}name = true',
            "line 7, column 1, groups.b.name: what is never offered must not be named",
        ),
        (
            f'never = ["a"]\n{HEAD}[[only_if_purchased]]\ngroups = ["b", "a"]\nmin_days = 1\nwithin_days = 9',
            "line 8, column 16, only_if_purchased[1].groups[2]: 'a' is also offered to nobody (never)",
        ),
        (f"{HEAD}[boosts]\nmax = nan", "line 7, column 1, boosts.max: must be a number, at least 0"),
        ("version = 1\nname = 'x\n", "is not TOML"),
        ("version = 1" + "0" * 5_000, "has a number of too many digits, or is nested too deeply"),
        ("version = " + "[" * 50_000, "has a number of too many digits, or is nested too deeply"),
    ],
)
def test_what_cannot_be_meant(text: str, message: str, tmp_path: Path) -> None:
    assert message in refused(tmp_path, text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (f'{HEAD}[groups.c]\ncategories = ["TEEA"]', "line 7, column 15, groups.c.categories[1]: no category 'TEEA'"),
        (f'{HEAD}[[cool_down]]\ndays = 1\nitems = ["x"]', "line 8, column 10, cool_down[1].items[1]: no item 'x'"),
        (f'adults_only = ["a"]\nnever = ["a"]\n{HEAD}', "line 1, column 16, adults_only[1]: 'a' is never offered"),
        (
            f'{HEAD}[[only_if_purchased]]\ngroups = ["a"]\nwithin_days = 3\nmin_days = 5',
            "line 9, column 1, only_if_purchased[1].min_days: 4 days cannot hold 5",
        ),
        (
            f'{HEAD}[[boosts.lift]]\ngroups = ["a"]\nby = 0.6',
            "line 8, column 1, boosts.lift[1].by: is more than boosts.max",
        ),
        (
            f'never = ["c"]\nadults_only = ["a"]\n{HEAD}[groups.c]\ncategories = ["DRINK"]',
            "line 2, column 16, adults_only[1]: everything in 'a' is never offered",
        ),
    ],
)
def test_what_is_surely_not_meant(text: str, message: str, tmp_path: Path) -> None:
    assert any(warning.startswith(message) for warning in warned(tmp_path, text)), warned(tmp_path, text)


ONCE = {
    "cap": 'per = "category"\nmax = {0}\nhours = {1}\ndepth = 1',
    "only_if_purchased": 'groups = ["b", "a"]\nmin_days = {1}\nwithin_days = {0}',
    "past_purchase_trap": 'groups = ["a"]\nmin_days = {1}\noverdue = {0}',
}


@pytest.mark.parametrize(("rule", "keys"), ONCE.items())
@pytest.mark.parametrize(
    ("numbers", "reached"),
    [
        (((9, 20), (9, 20)), {1}),
        (((9, 20), (8, 30)), {2}),
        (((9, 30), (8, 30)), {2}),
        (((8, 30), (8, 20)), {1}),
        (((9, 30), (8, 20)), {1, 2}),
        (((9, 30), (8, 20), (9, 20)), {1, 2}),
    ],
)
def test_of_rules_about_the_same_things_the_strictest_is_reached(
    rule: str, keys: str, numbers: tuple[tuple[int, int], ...], reached: set[int], tmp_path: Path
) -> None:
    rules = "".join(f"[[{rule}]]\n{keys.format(*pair)}\n" for pair in numbers)
    lost = [warning for warning in warned(tmp_path, HEAD + rules) if "is never reached" in warning]
    assert {f"{rule}[{number}]" for number in range(1, len(numbers) + 1) if number not in reached} == {
        warning.split(", ")[2].partition(":")[0] for warning in lost
    }


def test_rules_about_other_things_do_not_outdo_each_other(tmp_path: Path) -> None:
    different = (
        '[[cap]]\nper = "offer"\nmax = 1\nhours = 9\n[[cap]]\nper = "overall"\nmax = 5\nhours = 9\n'
        '[[cap]]\nper = "category"\nmax = 3\nhours = 9\n[[cap]]\nper = "category"\nmax = 4\nhours = 9\ndepth = 1\n'
        '[[cool_down]]\ngroups = ["a"]\ndays = 9\n[[cool_down]]\ngroups = ["a"]\ndays = 3\nlevel = "group"\n'
        '[[cool_down]]\nitems = ["tea"]\ndays = 2\n[[diversity]]\nmax = 2\n[[diversity]]\nmax = 3\ndepth = 1\n'
    )
    assert warned(tmp_path, HEAD + different) == []
    again = (
        '[[cap]]\nper = "offer"\nmax = 2\nhours = 9\ndepth = 5\n[[cool_down]]\ngroups = ["a"]\ndays = 8\n'
        "[[diversity]]\nmax = 3"
    )
    assert [warning.partition(": ")[2] for warning in warned(tmp_path, HEAD + different + again)] == [
        f"is never reached: {rule}[1] is at least as strict about the same things"
        for rule in ("cap", "cool_down", "diversity")
    ]


CAP = '[[cap]]\nper = "{}"\nmax = {}\nhours = {}\ndepth = {}\n'
GATE = '[[only_if_purchased]]\ngroups = {}\nmin_days = {}\nwithin_days = 9\nlevel = "{}"\n'
REST = '[[cool_down]]\ngroups = {}\ndays = {}\nlevel = "{}"\n'


@pytest.mark.parametrize(
    ("rules", "lost"),
    [
        ([CAP.format("channel", 3, 9, 1), CAP.format("overall", 3, 9, 1)], {"cap[1]"}),
        ([CAP.format("overall", 3, 9, 1), CAP.format("category", 2, 9, 1)], set()),
        ([CAP.format("overall", 3, 8, 1), CAP.format("offer", 3, 9, 1)], set()),
        ([CAP.format("category", 3, 9, 1), CAP.format("category", 4, 9, 2)], {"cap[2]"}),
        ([CAP.format("category", 3, 9, 2), CAP.format("category", 4, 9, 1)], set()),
        (["[[diversity]]\nmax = 2\ndepth = 1\n[[diversity]]\nmax = 2\ndepth = 2\n"], {"diversity[2]"}),
        (["[[diversity]]\nmax = 100\n"], {"diversity[1].max"}),
        ([GATE.format('["a", "b"]', 3, "group"), GATE.format('["a"]', 2, "group")], {"only_if_purchased[2]"}),
        ([GATE.format('["a", "b"]', 2, "group"), GATE.format('["a"]', 3, "group")], set()),
        (
            [GATE.format(*each, "group") for each in (('["a", "b"]', 2), ('["a"]', 3), ('["b"]', 2))],
            {"only_if_purchased[3]"},
        ),
        (
            [GATE.format(*each, "group") for each in (('["a", "b"]', 2), ('["a"]', 3), ('["b"]', 4))],
            {"only_if_purchased[1]"},
        ),
        ([GATE.format('["a"]', 2, "group"), GATE.format('["a"]', 2, "item")], {"only_if_purchased[1]"}),
        ([REST.format('["a"]', 2, "group"), REST.format('["a"]', 2, "item")], {"cool_down[2]"}),
    ],
)
def test_a_rule_that_others_decide_as_well_is_never_reached(rules: list[str], lost: set[str], tmp_path: Path) -> None:
    said = [warning for warning in warned(tmp_path, HEAD + "".join(rules)) if "never reached" in warning]
    assert {warning.split(", ")[2].partition(":")[0] for warning in said} == lost


TRAP = "[[past_purchase_trap]]\ngroups = {}\nmin_days = {}\noverdue = {}\n"


@pytest.mark.parametrize(
    ("traps", "lost"),
    [
        ([('["a"]', 3, 2.0), ('["a"]', 5, 3.0), ('["a"]', 1, 1.5)], {1}),
        ([('["a"]', 3, 2.0), ('["a"]', 3, 2.0)], {2}),
        ([('["a", "a"]', 3, 2.0)], set()),
        ([('["a", "b"]', 3, 2.0), ('["a"]', 4, 2.0)], set()),
        ([('["a", "b"]', 3, 2.0), ('["a"]', 4, 2.0), ('["b"]', 3, 2.0)], {3}),
    ],
)
def test_of_traps_the_strictest_numbers_decide_whichever_rules_they_stand_in(
    traps: list[tuple[str, int, float]], lost: set[int], tmp_path: Path
) -> None:
    said = warned(tmp_path, HEAD + "".join(TRAP.format(*trap) for trap in traps))
    assert {warning.split(", ")[2].partition(":")[0] for warning in said if "never reached" in warning} == {
        f"past_purchase_trap[{number}]" for number in lost
    }


@pytest.mark.parametrize(
    ("gate", "rest", "shut"),
    [
        ((1, "group"), (10, "group"), True),
        ((1, "group"), (9, "group"), False),
        ((3, "group"), (8, "group"), True),
        ((3, "group"), (7, "group"), False),
        ((1, "item"), (10, "category"), True),
        ((1, "group"), (10, "item"), False),  # another item may have opened it
    ],
)
def test_what_has_to_be_bought_and_rests_for_longer_is_never_offered(
    gate: tuple[int, str],
    rest: tuple[int, str],
    shut: bool,  # noqa: FBT001 - a table
    tmp_path: Path,
) -> None:
    rules = GATE.format('["a"]', *gate) + REST.format('["a"]', *rest)
    assert any("nothing is ever offered" in warning for warning in warned(tmp_path, HEAD + rules)) is shut


def test_a_file_may_begin_with_a_byte_order_mark(tmp_path: Path) -> None:
    path = tmp_path / "p.toml"
    path.write_bytes(b"\xef\xbb\xbf" + f'never = ["ab"]\r\n{HEAD}'.encode())
    with pytest.raises(PolicyError, match=r"line 1, column 10, never\[1\]: there is no group 'ab'"):
        load_policy(path)


def test_a_lift_for_offers_that_do_not_exist_is_a_warning(tmp_path: Path) -> None:
    path = tmp_path / "p.toml"
    lifts = '[[boosts.lift]]\noffers = ["o", "oo"]\nby = 0.1\n[[boosts.lift]]\ncampaigns = ["7"]\nby = 0.1\n'
    path.write_text(HEAD + lifts)
    offers = pl.DataFrame({"offer_id": ["o"], "items": [["tea"]], "title": ["Tea"], "campaign": ["8"]})
    assert open_offer_book(OFFERS.checked(offers, where="offers"), CATALOGUE, load_policy(path)).warnings == (
        f"{path}, line 7, column 16, boosts.lift[1].offers[2]: no offer 'oo' among the offers",
        f"{path}, line 10, column 14, boosts.lift[2].campaigns[1]: no campaign '7' among the offers",
    )


def test_warnings_come_in_the_order_of_the_file(tmp_path: Path) -> None:
    text = HEAD + "".join(f'[groups.g{n}]\ncategories = ["NO {n}"]\n' for n in range(12))
    lines = [int(warning.split()[1].rstrip(",")) for warning in warned(tmp_path, text)]
    assert lines == sorted(lines)
    assert len(lines) == 12


@pytest.mark.slow
def test_ten_thousand_rules_are_read_and_placed_quickly(tmp_path: Path) -> None:
    rules = "".join(
        f'[[only_if_purchased]]\ngroups = ["g{n}"]\nmin_days = 2\nwithin_days = 30\n'
        f'[[past_purchase_trap]]\ngroups = ["g{n}", "g0"]\nmin_days = {1 + n % 1000}\noverdue = {1 + n % 7}\n'
        f'[[cool_down]]\ngroups = ["g{n}", "g0"]\ndays = {1 + n % 30}\n'
        for n in range(10_000)
    )
    groups = "".join(f'[groups.g{n}]\ncategories = ["C{n}", "none {n}"]\n' for n in range(10_000))
    (tmp_path / "p.toml").write_text(f"version = 1\n{groups}{rules}")
    names = [f"i{n}" for n in range(10_000)]
    catalogue = pl.DataFrame({"item": names, "category": [f"D / C{n}" for n in range(10_000)], "title": names})
    start = time.process_time()
    placement = place(load_policy(tmp_path / "p.toml"), catalogue)
    assert time.process_time() - start < 10
    assert sum("no category" in warning for warning in placement.warnings) == 10_000


TOML = '''
"a b" = 1 # comment = 2
c.d = [ "x", # ]
  ["y", 'z'], {e = 1, "f" = [2]} ]
[t.u]
v = """
[not.a.table]
"""
w = 'it''
[[n]]
m = 1
[[n.o]]
p = 2
[[n.o]]
q.r = """a""""
[[n]]
[n.s]
t = 1979-05-27T07:32:00Z
'''.replace("'it''", "'it'")


def test_every_place_of_a_file_is_known() -> None:
    found = {keys: line_and_column(TOML, offset) for keys, offset in locate(TOML).items()}
    assert found["a b",] == (2, 1)
    assert found["c", "d"] == (3, 1)
    assert found["c", "d", 0] == (3, 9)
    assert found["c", "d", 1, 1] == (4, 9)
    assert found["c", "d", 2, "e"] == (4, 16)
    assert found["c", "d", 2, "f", 0] == (4, 30)
    assert found["t", "u", "w"] == (9, 1)
    assert ("not", "a") not in found
    assert found["n", 0, "o", 1] == (14, 1)
    assert found["n", 0, "o", 1, "q", "r"] == (15, 1)
    assert found["n", 1, "s", "t"] == (18, 1)


def paths(value: object, here: tuple[str | int, ...] = ()) -> set[tuple[str | int, ...]]:
    below = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return {here}.union(*(paths(inner, (*here, key)) for key, inner in below))


def test_whatever_tomllib_reads_has_a_place() -> None:
    assert paths(tomllib.loads(TOML)) - {()} <= set(locate(TOML)) | {("t",)}


KEY = st.sampled_from(["a", "b-c", '"d e"', "'f.g'", '"h\\"i"'])
VALUE = st.recursive(
    st.sampled_from(["1", "true", '"x"', "'y # ]'", '"""z\n"""', "1.5", "'''a'b'''", '"\\\\"']),
    lambda inner: (
        st.lists(inner, max_size=3).map(lambda values: "[" + ", ".join(values) + "]")
        | st.dictionaries(KEY, inner, max_size=2).map(
            lambda d: "{" + ", ".join(f"{k} = {v}" for k, v in d.items()) + "}"
        )
    ),
    max_leaves=6,
)


@given(st.dictionaries(KEY, VALUE, max_size=4), st.dictionaries(KEY, VALUE, max_size=4), st.sampled_from(["t", "t.u"]))
def test_the_reader_walks_as_tomllib_does(top: dict[str, str], table: dict[str, str], header: str) -> None:
    def lines(values: dict[str, str]) -> str:
        return "".join(f"{key} = {value}\n" for key, value in values.items())

    text = f"{lines(top)}[[{header}]]\n{lines(table)}[[{header}]] # again\n"
    assert paths(tomllib.loads(text)) - {()} <= set(locate(text)) | {("t",)}
