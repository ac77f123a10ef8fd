"""Examples look back and never ahead; rows drawn from them stand for all candidates."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from support.tokens import token

from recsys.history import ItemIndex, day_number, netted, purchase_days
from training.dataset import dataset_of
from training.factorize import Factorization
from training.features.assemble import FEATURES
from training.fit import Options, prepared
from training.learning import newcomers, ranker_rows
from training.levels import LevelChoice
from training.plan import Search, Work, choose
from training.profiles import EFFORTS, Profile
from training.record import Record
from training.sampling import Rows, batches, drawn
from training.snapshot import World
from training.windows import Examples, examples_of, idle_days, time_scale

FIRST = dt.date(2024, 1, 1)
ITEMS = [f"i{number:02}" for number in range(20)]
UNTIL = day_number(FIRST) + 120


def daily(seed: int = 0, people: int = 40, days: int = 120) -> pl.DataFrame:
    """Everyone buys three of their eight items every tenth day or so."""
    rng = np.random.default_rng(seed)
    rows = set()
    for person in range(people):
        taste = rng.choice(len(ITEMS), 8, replace=False)
        for day in rng.choice(days, days // 10, replace=False):
            rows |= {(f"s{person:02}", ITEMS[item], FIRST + dt.timedelta(int(day))) for item in rng.choice(taste, 3)}
    frame = pl.DataFrame(sorted(rows), schema=["subject", "item", "day"], orient="row")
    return frame.with_columns(quantity=pl.lit(1.0))


def world_of(frame: pl.DataFrame) -> World:
    record = Record.of(frame, ItemIndex.of(ITEMS), np.arange(len(ITEMS)) % 3)
    return World.of(record, 17.0, min_buyers=2)


@pytest.fixture(scope="module")
def world() -> World:
    return world_of(daily())


def found_in(block: Examples, subjects: list[str]) -> dict[tuple[str, int], list[str]]:
    return {
        (subjects[subject], int(day)): [ITEMS[item] for item in block.targets.row(row)]
        for row, (subject, day) in enumerate(zip(block.subject, block.day, strict=True))
    }


def blocks_as_loops(frame: pl.DataFrame, start: int, end: int) -> dict[tuple[str, int], list[str]]:
    numbered = frame.with_columns(number=pl.col("day").to_physical())
    before = set(numbered.filter(pl.col("number") < start)["subject"])
    inside = numbered.filter(pl.col("number") >= start, pl.col("number") < end)
    return {
        (subject, start): sorted(set(part["item"]))
        for (subject,), part in inside.group_by("subject")
        if subject in before
    }


def test_windows_hold_what_was_bought_from_their_day_on(world: World) -> None:
    frame, blocks = daily(), examples_of(world.record, UNTIL)
    subjects = sorted(set(frame["subject"]))
    starts = [block.start for block in blocks]
    assert starts == sorted(starts)
    assert 2 <= len(blocks) <= 7
    length = UNTIL - starts[-1]
    for block in blocks:
        assert found_in(block, subjects) == blocks_as_loops(frame, block.start, block.start + length)


def baskets_as_loops(frame: pl.DataFrame, start: int, end: int) -> dict[tuple[str, int], list[str]]:
    numbered = frame.with_columns(number=pl.col("day").to_physical())
    first = dict(numbered.group_by("subject").agg(pl.col("number").min()).iter_rows())
    return {
        (subject, day): sorted(set(part["item"]))
        for (subject, day), part in numbered.group_by("subject", "number")
        if start <= day < end and first[subject] < day
    }


def test_where_few_come_back_every_basket_is_an_example() -> None:
    few = daily(people=40).filter(pl.col("subject") < "s04")
    rest = daily(1, people=90).unique("subject").with_columns(subject=pl.lit("t") + pl.col("subject"))
    frame = pl.concat([few, rest])
    blocks = examples_of(world_of(frame).record, UNTIL)
    subjects = sorted(set(frame["subject"]))
    assert any((block.day > block.start).any() for block in blocks)
    for block in blocks:
        assert found_in(block, subjects) == baskets_as_loops(frame, block.start, block.start + 14)


def on_offer(days_each: int) -> tuple[pl.DataFrame, Record]:
    """150 people who buy three of twelve things that are on offer; after so many days it is twelve others."""
    rng, names = np.random.default_rng(3), [f"i{number:03}" for number in range(240)]
    rows = [
        (f"s{person:03}", names[(day // days_each * 12 + thing) % len(names)], FIRST + dt.timedelta(int(day)), 1.0)
        for person in range(150)
        for day in np.sort(rng.choice(120, 12, replace=False))
        for thing in rng.choice(12, 3, replace=False)
    ]
    frame = pl.DataFrame(rows, schema=["subject", "item", "day", "quantity"], orient="row")
    return frame, Record.of(frame, ItemIndex.of(names), np.zeros(len(names), np.int64))


def test_where_popularity_moves_by_the_day_first_baskets_are_the_examples() -> None:
    frame, record = on_offer(days_each=6)
    blocks = examples_of(record, UNTIL)
    subjects = sorted(set(frame["subject"]))
    assert len(blocks) >= 2
    for start, block, end in zip(
        [block.start for block in blocks], blocks, [block.start for block in blocks[1:]] + [UNTIL], strict=True
    ):
        baskets = baskets_as_loops(frame, start, end)
        first = {
            subject: min(day for other, day in baskets if other == subject) for subject in {key[0] for key in baskets}
        }
        found = {
            (subjects[subject], int(day)): [f"i{item:03}" for item in block.targets.row(row)]
            for row, (subject, day) in enumerate(zip(block.subject, block.day, strict=True))
        }
        assert found == {key: items for key, items in baskets.items() if first[key[0]] == key[1]}


def test_where_it_hardly_moves_windows_are(world: World) -> None:
    for record in (world.record, on_offer(days_each=200)[1]):
        assert all((block.day == block.start).all() for block in examples_of(record, UNTIL))


def late(frame: pl.DataFrame, after: int, times: int = 1) -> pl.DataFrame:
    """Somebody's first row once more, so many days after everything else, and so many times as far."""
    days = [FIRST + dt.timedelta(days=119 + after * (time + 1)) for time in range(times)]
    return pl.concat(
        [
            frame,
            frame.head(1)
            .select(pl.exclude("day"))
            .join(pl.DataFrame({"day": days}), how="cross")
            .select(frame.columns),
        ]
    )


@pytest.mark.parametrize(
    ("after", "times", "until"),
    [(0, 0, 31), (0, 0, 200), (30, 1, 31), (330, 1, 331), (25, 12, 301)],
    ids=["until a month late", "until long after", "a stray row", "a row of next year", "one late subject"],
)
def test_hardly_anything_at_the_end_is_passed_over(after: int, times: int, until: int) -> None:
    frame = daily(people=60)
    clean = examples_of(world_of(frame).record, UNTIL)
    record = world_of(late(frame, after, times) if times else frame).record
    blocks = examples_of(record, UNTIL - 1 + until)
    assert len(blocks) >= len(clean) - 1
    assert all((block.day == block.start).all() for block in blocks)  # windows, as without it
    assert min(len(block) for block in blocks) >= 10
    assert idle_days(record, UNTIL - 1 + until) >= until - 28


def test_clean_data_has_no_idle_days(world: World) -> None:
    assert idle_days(world.record, UNTIL) < 5


def receipts(frame: pl.DataFrame, seed: int = 0) -> pl.DataFrame:
    """The same as lines of receipts; every fifth comes back within two months, as far as the data goes."""
    rng = np.random.default_rng(seed)
    lines = frame.with_columns(pl.col("subject").map_elements(token, pl.String))
    back = lines.filter(pl.Series(rng.random(len(lines)) < 0.2)).with_columns(-pl.col("quantity"))
    after = pl.Series([dt.timedelta(int(days)) for days in rng.integers(1, 60, len(back))])
    back = back.with_columns(pl.col("day") + after)
    return pl.concat([lines, back.filter(pl.col("day").to_physical() < UNTIL)])


def work_of(lines: pl.DataFrame) -> Work:
    return prepared(dataset_of(lines), Options("shop", LevelChoice.ITEM, Profile.TEST)).work


def otherwise(lines: pl.DataFrame, start: int) -> pl.DataFrame:
    """All that was bought before a day comes back on it, and the day after ten people buy one of everything."""
    before = lines.filter(pl.col("day").to_physical() < start)
    back = before.filter(pl.col("quantity") > 0).with_columns(-pl.col("quantity"), day=pl.lit(start).cast(pl.Date))
    people = pl.DataFrame({"subject": lines["subject"].unique().sort().head(10)})
    later = people.join(pl.DataFrame({"item": ITEMS}), how="cross").with_columns(
        day=pl.lit(start + 1).cast(pl.Date), quantity=pl.lit(1.0)
    )
    return pl.concat([before, back, later])


def test_nothing_after_an_example_changes_its_rows() -> None:
    lines = receipts(daily())
    work = work_of(lines)
    assert len(work.blocks) > 2
    for block in work.blocks:
        other = work_of(otherwise(lines, block.start)).world
        assert other.record.vocabulary == work.world.record.vocabulary
        worlds = work.world, replace(other, tau=work.world.tau)  # both come from the whole record
        lenses = [each.lens(Factorization(4, random_state=0), block.start, None) for each in worlds]
        some = block.take(np.arange(20))
        batch, changed = (next(iter(batches(*each))) for each in zip(worlds, (some, some), lenses, strict=True))
        row, item = np.divmod(np.arange(20 * len(ITEMS)), len(ITEMS))
        assert np.array_equal(batch.seen.features(row, item), changed.seen.features(row, item))
        assert np.array_equal(batch.candidates, changed.candidates)


def fickle(*after: tuple[int, float]) -> pl.DataFrame:
    """Somebody who had nothing left when they bought again."""
    rows = [(token("u"), ITEMS[0], FIRST + dt.timedelta(day), quantity) for day, quantity in after]
    return pl.DataFrame(rows, schema=daily().schema, orient="row")


def kept_between(lines: pl.DataFrame, start: int, end: int) -> pl.DataFrame:
    """Purchase days before `start` as of it, and those from there to `end` as of that."""
    days = [dt.date(1970, 1, 1) + dt.timedelta(day) for day in (start, end)]
    before, inside = (purchase_days(lines, until=day) for day in days)
    return pl.concat([before, inside.filter(pl.col("day") >= days[0])])


def test_what_was_returned_is_in_a_window_until_it_comes_back() -> None:
    lines = pl.concat([receipts(daily()), fickle((10, 1.0), (12, -1.0), (65, 1.0))])
    work, subjects, taken_back = work_of(lines), sorted(set(lines["subject"])), 0
    length = work.until - work.blocks[-1].start
    for block in work.blocks:
        kept = kept_between(lines, block.start, block.start + length)
        assert found_in(block, subjects) == blocks_as_loops(kept, block.start, block.start + length)
        taken_back += len(kept.join(purchase_days(lines), on=["subject", "item", "day"], how="anti"))
    assert taken_back > 20


def test_a_basket_is_an_example_where_something_was_there_before_it() -> None:
    few = daily(people=40).filter(pl.col("subject") < "s04")
    rest = daily(1, people=90).unique("subject").with_columns(subject=pl.lit("t") + pl.col("subject"))
    lines = pl.concat([receipts(pl.concat([few, rest])), fickle((90, 1.0), (92, -1.0), (95, 1.0))])
    bought, subjects = netted(lines), sorted(set(lines["subject"]))
    record = Record.of(bought.daily, ItemIndex.of(ITEMS), np.zeros(len(ITEMS), np.int64), bought.returned)
    seen: set[tuple[str, int]] = set()
    for block in examples_of(record, UNTIL):
        kept = kept_between(lines, block.start, block.start + 14).filter(pl.col("day").to_physical() >= block.start)
        expected = {
            (subject, day_number(day)): sorted(part["item"])
            for (subject, day), part in kept.group_by("subject", "day")
            if len(purchase_days(lines.filter(subject=subject), until=day))
        }
        assert found_in(block, subjects) == expected
        seen |= set(expected)
    assert token("u") not in {who for who, _ in seen}


def test_rows_stand_for_all_candidates(world: World) -> None:
    block = examples_of(world.record, UNTIL)[-1]
    lens = world.lens(Factorization(4, random_state=0), block.start, None)
    (batch,) = batches(world, block, lens)
    rows = drawn(batch, np.random.default_rng(0))
    assert rows.features.shape == (len(rows.bought), len(FEATURES))
    assert rows.bought.sum() == batch.relevant.sum()
    people = batch.relevant.any(axis=1)
    expected = (batch.candidates[people].sum(axis=1) / np.sqrt(batch.relevant[people].sum(axis=1))).sum()
    assert rows.weight.sum() == pytest.approx(expected, rel=0.02)


def test_what_is_no_candidate_is_learned_from_also_where_nobody_bought_it(world: World) -> None:
    block = examples_of(world.record, UNTIL)[-1]
    (batch,) = batches(world, block, world.lens(Factorization(4, random_state=0), block.start, None))
    assert not batch.beyond.any(), "a small catalogue is ranked whole"
    narrow = replace(batch, candidates=batch.bought, beyond=~batch.bought)
    rows = drawn(narrow, np.random.default_rng(0))
    new = rows.features[:, FEATURES.index("own: bought")] == 0
    assert rows.bought[new].sum() == (batch.relevant & ~batch.bought).sum()
    root = np.sqrt(np.maximum(batch.relevant.sum(axis=1), 1))
    people = batch.relevant.any(axis=1)
    assert rows.weight[new].sum() == pytest.approx(((~batch.bought).sum(axis=1) / root)[people].sum(), rel=0.02)


def test_joined_rows_are_the_parts_end_to_end_and_no_part_is_held() -> None:
    rng = np.random.default_rng(0)
    parts = [Rows(rng.random((size, 3), np.float32), rng.random(size) < 0.5, rng.random(size)) for size in (4, 0, 7)]
    whole = [np.concatenate([getattr(part, name) for part in parts]) for name in ("features", "bought", "weight")]
    joined = Rows.joined(parts)
    for found, expected in zip((joined.features, joined.bought, joined.weight), whole, strict=True):
        assert found.dtype == expected.dtype
        assert np.array_equal(found, expected)
    assert not parts


def test_rows_that_are_left_out_are_stood_for_by_others(world: World) -> None:
    *_, block = examples_of(world.record, UNTIL)
    whole, some = (
        ranker_rows(world, [block], EFFORTS[Profile.TEST].settings, replace(EFFORTS[Profile.TEST], rows=most), seed=0)
        for most in (10_000, 600)
    )
    assert whole is not None
    assert some is not None
    assert len(some.bought) == 600 < len(whole.bought)
    assert some.bought.sum() == whole.bought.sum()
    assert some.weight[some.bought].sum() == pytest.approx(whole.weight[whole.bought].sum())
    assert some.weight.sum() == pytest.approx(whole.weight.sum(), rel=0.1)


def test_the_time_scale_is_the_median_interval() -> None:
    frame = pl.DataFrame(
        {
            "subject": ["a"] * 4 + ["b"] * 2,
            "item": [ITEMS[0]] * 4 + [ITEMS[1]] * 2,
            "day": [FIRST + dt.timedelta(days) for days in (0, 10, 30, 60, 0, 40)],
            "quantity": [1.0] * 6,
        }
    )
    record = Record.of(frame, ItemIndex.of(ITEMS), np.zeros(len(ITEMS), np.int64))
    assert time_scale(record, UNTIL) == 25  # of 10, 20, 30, 40
    assert time_scale(record, day_number(FIRST) + 1) == 28  # nothing was bought twice by then


def test_newcomers_are_known_by_their_newest_purchases_only(world: World) -> None:
    block = examples_of(world.record, UNTIL)[-1]
    everyone = block.take(np.tile(np.arange(len(block)), 20))
    some = newcomers(everyone, np.random.default_rng(0))
    assert np.array_equal(some.subject, everyone.subject)
    assert some.known is not None
    assert (some.known.min(), some.known.max()) == (0, 30)
    short, whole = (world.histories(some.subject, some.day, known) for known in (some.known, None))
    assert np.array_equal(short.lengths, np.minimum(some.known, whole.lengths))
    for row in np.flatnonzero(some.known):
        left, all_ages = short.ages[row, : short.lengths[row]], whole.ages[row, : whole.lengths[row]]
        assert sorted(left) == sorted(all_ages)[: len(left)]
    half = some.take(np.arange(0, len(some), 2))
    assert half.known is not None
    assert np.array_equal(half.known, some.known[::2])


def test_settings_are_not_chosen_on_hardly_any_examples(world: World) -> None:
    *_, block = examples_of(world.record, UNTIL)
    few = Work(world, [block.take(np.arange(3))], UNTIL, EFFORTS[Profile.TEST], 0)
    chosen = choose(few, Search(trials=4))
    assert (chosen.settings, chosen.trials) == (EFFORTS[Profile.TEST].settings, ())
    assert "3 examples" in chosen.warnings[0]
    assert len(choose(replace(few, blocks=[block]), Search(trials=2)).trials) == 2
