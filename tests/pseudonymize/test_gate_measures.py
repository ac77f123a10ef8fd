"""Every measure of the release gate against plain loops."""

from __future__ import annotations

import datetime as dt

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest
from support.plain_gate import Row, common, holding, lines_of, linked, sets_of, week
from support.tokens import token

from pseudonymize.gate.attributes import attribute_names, classes_of, suppressed
from pseudonymize.gate.estimate import Estimate
from pseudonymize.gate.histories import day_of, generalised, postings
from pseudonymize.gate.labels import labels_of
from pseudonymize.gate.linkage import linkage
from pseudonymize.gate.popularity import buyers_a_week, popularity
from pseudonymize.gate.rare import Buyers
from pseudonymize.gate.settings import Days, GateSettings, Keep, Level, Setting
from pseudonymize.gate.trials import same_ground, search
from pseudonymize.gate.unicity import holders, unicity
from recsys.errors import UsageError

ITEMS = 6
ROWS = st.lists(
    st.tuples(st.integers(0, 8), st.integers(0, ITEMS - 1), st.integers(17_000, 17_012)), min_size=1, max_size=60
)
K = st.integers(1, 3)
SEED = st.integers(0, 2**32)


def made(rows: list[Row], setting: Setting, k: int, seed: int = 0):  # noqa: ANN201 - a pair of ours
    lines = lines_of(rows, items=ITEMS)
    labels = labels_of(lines.items, Level.ITEM, None)
    return lines, generalised(lines, labels, setting, k=k, rng=np.random.default_rng(seed))


def plain(rows: list[Row], days: Days) -> dict[int, frozenset[tuple[int, int]]]:
    told = {Days.DAY: lambda day: day, Days.WEEK: week, Days.NONE: lambda _: 0}[days]
    people = sorted({subject for subject, _, _ in rows})
    return {
        number: frozenset((item, told(day)) for subject, item, day in rows if subject == who)
        for number, who in enumerate(people)
    }


@given(ROWS, K, st.sampled_from([Days.DAY, Days.WEEK, Days.NONE]))
@settings(deadline=None, max_examples=15)
def test_histories_are_the_sets_of_their_points(rows: list[Row], k: int, days: Days) -> None:
    _, histories = made(rows, Setting(days=days), k)
    assert sets_of(histories) == common(plain(rows, days), k)


@given(ROWS, K, st.integers(1, 3), SEED)
@settings(deadline=None, max_examples=15)
def test_a_sample_is_so_many_of_the_points_and_the_last_are_the_latest(
    rows: list[Row], k: int, most: int, seed: int
) -> None:
    whole = common(plain(rows, Days.DAY), k)
    for keep in (Keep.SAMPLE, Keep.LAST):
        _, histories = made(rows, Setting(keep=keep, most=most), k, seed)
        sets = sets_of(histories)
        assert all(points <= whole[who] and len(points) <= most for who, points in sets.items())
        assert common(sets, k) == sets
    _, latest = made(rows, Setting(keep=Keep.LAST, most=most), 1, seed)
    for who, points in sets_of(latest).items():
        theirs = plain(rows, Days.DAY)[who]
        assert len(points) == min(most, len(theirs))
        assert min(day for _, day in points) >= max((day for _, day in theirs - points), default=0)


@given(ROWS, st.data())
@settings(deadline=None, max_examples=15)
def test_holders_are_those_with_all_of_the_points(rows: list[Row], data: st.DataObject) -> None:
    _, histories = made(rows, Setting(), 1)
    sets = sets_of(histories)
    number = data.draw(st.integers(0, len(histories) - 1))
    own = histories.of(number)
    known = data.draw(st.lists(st.sampled_from(own.tolist()), min_size=1, max_size=4, unique=True))
    points = [(int(histories.labels[p]), int(histories.days[p])) for p in known]
    assert holders(postings(histories), np.asarray(known), at_most=100) == holding(sets, points)
    assert holders(postings(histories), np.asarray(known), at_most=2) == min(2, holding(sets, points))


@given(ROWS)
@settings(deadline=None, max_examples=15)
def test_unicity_of_whole_histories_is_the_share_that_no_other_contains(rows: list[Row]) -> None:
    _, histories = made(rows, Setting(), 1)
    sets = sets_of(histories)
    found = unicity(histories, postings(histories), known=60, k=3, most=100, rng=np.random.default_rng(0))
    alike = [holding(sets, points) for points in sets.values()]
    assert found.unique.hits == sum(count == 1 for count in alike)
    assert found.fewer_than_k.hits == sum(count < 3 for count in alike)


def test_unicity_falls_between_its_bounds_where_points_are_drawn() -> None:
    """Subject n buys item 0 and an item that it shares with as many others as there are groups: half are unique."""
    rows = [(n, 0, 1) for n in range(400)] + [(n, 1 + (0 if n < 200 else n), 1) for n in range(400)]
    lines = lines_of(rows, items=401)
    labels = labels_of(lines.items, Level.ITEM, None)
    histories = generalised(lines, labels, Setting(), k=1, rng=np.random.default_rng(0))
    one = unicity(histories, postings(histories), known=1, k=2, most=9_999, rng=np.random.default_rng(1)).unique
    both = unicity(histories, postings(histories), known=2, k=2, most=9_999, rng=np.random.default_rng(1)).unique
    assert both.share == 0.5
    assert one.low < 0.25 < one.high


@given(ROWS, ROWS, K, st.sampled_from([Days.DAY, Days.NONE]))
@settings(deadline=None, max_examples=15)
def test_linkage_names_those_that_the_plain_attack_names(rows: list[Row], more: list[Row], k: int, days: Days) -> None:
    everybody = [(n, 0, 17_000) for n in range(9)]
    _, released = made(rows + everybody, Setting(days=days), k)
    _, own = made(rows + everybody + more, Setting(days=days), 1)
    tried = np.arange(len(released))
    found = linkage(released, own, postings(own), released.subjects, tried=tried)
    assert found.hits == pytest.approx(linked(sets_of(released), sets_of(own)))
    assert found.exact


def test_an_attack_stops_when_it_is_clear_and_says_that_it_did() -> None:
    rows = [(n, 0, n) for n in range(400)]
    lines, own = made(rows, Setting(), 1)
    tried = np.arange(len(own))
    found = linkage(own, own, postings(own), tried, tried=tried, limit=0.05)
    assert (found.hits, found.tried, found.exact) == (50, 50, False)
    assert len(lines) == 400


def test_who_is_not_among_the_attackers_people_is_not_linked() -> None:
    _, own = made([(0, 0, 1), (1, 1, 2)], Setting(), 1)
    assert linkage(own, own, postings(own), np.asarray([-1, -1]), tried=np.arange(2)).share == 0


@given(st.integers(0, 50), st.integers(1, 50))
def test_bounds_are_wilsons(hits: int, more: int) -> None:
    bounds = binomtest(hits, hits + more).proportion_ci(method="wilson")
    estimate = Estimate(hits, hits + more)
    assert (estimate.low, estimate.high) == pytest.approx((bounds.low, bounds.high), abs=1e-9)
    assert Estimate(hits, hits + more, exact=True).high == hits / (hits + more)


def test_of_nobody_nothing_is_known() -> None:
    assert (Estimate(0, 0).share, Estimate(0, 0).high) == (0, 1)


PEOPLE = st.lists(
    st.tuples(st.sampled_from(["1", "2", "3", None]), st.sampled_from(["n", "s", None]), st.booleans()), min_size=1
)


def table(people: list[tuple[str | None, str | None, bool]]) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "subject": [token(n) for n in range(len(people))],
            "consents": [["training"]] * len(people),
            "store": pl.Series([p[0] for p in people], dtype=pl.String),
            "region": pl.Series([p[1] for p in people], dtype=pl.String),
            "adult": [p[2] for p in people],
        }
    )


@given(PEOPLE, K)
@settings(deadline=None, max_examples=15)
def test_classes_are_counted_as_they_are(people: list[tuple[str | None, str | None, bool]], k: int) -> None:
    found = classes_of(table(people), k=k)
    sizes = {person: people.count(person) for person in people}
    assert found.smallest == min(sizes.values())
    assert found.below == sum(size for size in sizes.values() if size < k)


@given(PEOPLE, st.integers(1, 6))
@settings(deadline=None, max_examples=15)
def test_suppressed_people_are_k_anonymous_and_nothing_is_made_up(
    people: list[tuple[str | None, str | None, bool]], k: int
) -> None:
    before = table(people)
    after = suppressed(before, k=k)
    assert len(people) < k or classes_of(after, k=k).smallest >= k
    for name in attribute_names(before):
        assert (after[name].is_null() | after[name].eq_missing(before[name])).all()
    assert after.select("subject", "consents").equals(before.select("subject", "consents"))
    if classes_of(before, k=k).smallest >= k:
        assert after.equals(before)


def test_diversity_is_the_fewest_values_in_a_class_that_knows_any() -> None:
    people = table([("1", "n", True)] * 3 + [("2", "n", True)] * 2 + [("3", "n", True)])
    known = [(token(0), "diet", "a"), (token(1), "diet", "b"), (token(3), "diet", "a"), (token(4), "diet", "a")]
    sensitive = pl.DataFrame(known, schema=["subject", "attribute", "group"], orient="row")
    assert classes_of(people, k=2, sensitive=sensitive).diversity == 1
    assert classes_of(people, k=2, sensitive=sensitive.head(2)).diversity == 2
    assert classes_of(people, k=2).diversity is None


@given(ROWS, K, st.integers(1, 20))
@settings(deadline=None, max_examples=15)
def test_rare_items_are_those_of_few_subjects_in_however_many_batches(rows: list[Row], k: int, batch: int) -> None:
    subject, item, _ = (np.asarray(column, np.uint32) for column in zip(*rows, strict=True))
    buyers = Buyers(k)
    for begin in range(0, len(rows), batch):
        buyers.add(subject[begin : begin + batch], item[begin : begin + batch])
    who = {item: {s for s, i, _ in rows if i == item} for _, item, _ in rows}
    rare = {item for item, people in who.items() if len(people) < k}
    assert set(np.flatnonzero(buyers.rare())) == rare
    figures = buyers.figures()
    assert (figures.items, figures.of_items) == (len(rare), len(who))
    assert (figures.rows, figures.of_rows) == (sum(i in rare for _, i, _ in rows), len(rows))


@given(ROWS, K)
@settings(deadline=None, max_examples=15)
def test_popularity_is_the_truth_in_steps_of_k(rows: list[Row], k: int) -> None:
    lines = lines_of(rows, items=ITEMS)
    labels = labels_of(lines.items, Level.ITEM, None)
    epoch = dt.date(1970, 1, 1)
    truth: dict[tuple[str, dt.date], set[int]] = {}
    for subject, item, day in rows:
        truth.setdefault((f"item-{item:03}", epoch + dt.timedelta(days=week(day))), set()).add(subject)
    counted = {(row[0], row[1]): row[2] for row in buyers_a_week(lines, labels).rows()}
    assert counted == {place: len(people) for place, people in truth.items()}
    for category, monday, subjects in popularity(lines, labels, k=k).rows():
        assert subjects % k == 0
        assert abs(subjects - counted[category, monday]) <= k / 2
        assert counted[category, monday] >= k


@pytest.mark.slow
def test_what_the_search_finds_passes_and_the_finest_does_not() -> None:
    rng = np.random.default_rng(3)
    rows = [(int(s), int(i), 17_000 + int(d)) for s, i, d in zip(
        rng.integers(0, 400, 9_000), rng.geometric(0.08, 9_000) % 60, rng.integers(0, 60, 9_000), strict=True
    )]  # fmt: skip
    ground = same_ground(lines_of(rows, items=60), None, GateSettings())
    found = search(ground)
    assert found
    assert all(trial.passes(0.05) and trial.setting.level is Level.ITEM for trial in found)
    assert Setting() not in [trial.setting for trial in found]
    assert [trial.bits for trial in found] == sorted((trial.bits for trial in found), reverse=True)


def test_labels_are_parts_of_the_category_path() -> None:
    items = pl.Series("item", ["a", "b", "c", "d"])
    paths = pl.DataFrame({"item": ["b", "a", "d"], "category": ["FOOD / MILK / WHOLE / 1 L", "FOOD", None]})
    told = {}
    for level in (Level.TYPE, Level.CATEGORY, Level.DEPARTMENT):
        labels = labels_of(items, level, paths)
        told[level] = [labels.names[place] if place >= 0 else None for place in labels.place.tolist()]
    assert told == {
        Level.TYPE: ["FOOD", "FOOD / MILK / WHOLE", None, None],
        Level.CATEGORY: ["FOOD", "FOOD / MILK", None, None],
        Level.DEPARTMENT: ["FOOD", "FOOD", None, None],
    }


def test_labels_above_the_item_need_a_catalogue() -> None:
    with pytest.raises(UsageError, match="Name a catalogue"):
        labels_of(pl.Series("item", ["a"]), Level.TYPE, None)


def test_days_are_told_as_exactly_as_asked() -> None:
    days = [dt.date(2023, 12, 31), dt.date(2024, 1, 1), dt.date(2024, 2, 29), dt.date(1970, 1, 1)]
    numbers = pl.Series(days).to_physical().to_numpy()
    told = {exactness: pl.Series(day_of(numbers, exactness)).cast(pl.Date).to_list() for exactness in Days}
    epoch = dt.date(1970, 1, 1)
    assert told[Days.DAY] == days
    assert told[Days.MONTH] == [day.replace(day=1) for day in days]
    assert told[Days.NONE] == [epoch] * 4
    assert told[Days.WEEK] == [dt.date(2023, 12, 25), dt.date(2024, 1, 1), dt.date(2024, 2, 26), epoch]


@given(ROWS, st.floats(0.05, 1), SEED)
@settings(deadline=None, max_examples=15)
def test_so_many_of_the_subjects_are_drawn_whole(rows: list[Row], share: float, seed: int) -> None:
    lines, histories = made(rows, Setting(subjects=share), 1, seed)
    whole = plain(rows, Days.DAY)
    assert len(histories) == round(share * len(lines.people))
    assert all(points == whole[who] for who, points in sets_of(histories).items())
