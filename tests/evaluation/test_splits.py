from __future__ import annotations

import datetime as dt

import numpy as np
import polars as pl
from support.tokens import token

from recsys.contracts.purchases import PURCHASES
from recsys.contracts.runs import SplitKind
from recsys.evaluation.splits import Split, Window, compact, split_at
from recsys.history import ItemIndex, day_number

AS_OF = dt.date(2017, 11, 27)
WINDOW = Window(AS_OF, 28)
ANN, BEN, CID = sorted(token(name) for name in "abc")


def day(after: int) -> dt.date:
    return AS_OF + dt.timedelta(days=after)


def split(
    *lines: tuple[str, str, int, float], model: dict[str, int] | None = None, kind: SplitKind = SplitKind.TIME
) -> Split:
    """Lines: subject, item, days after the as-of day, quantity. `model`: the model item of each item."""
    purchases = PURCHASES.checked(
        pl.DataFrame(
            [(subject, item, day(after), quantity) for subject, item, after, quantity in lines],
            schema={"subject": pl.String, "item": pl.String, "day": pl.Date, "quantity": pl.Float64},
            orient="row",
        ),
        where="lines",
    )
    model = model or {"milk": 0, "eggs": 1, "beer": 2}
    index = ItemIndex.of(purchases["item"].unique().sort())
    codes = np.array([model.get(name, -1) for name in index.names], np.int32)
    return split_at(compact(purchases), WINDOW, index, codes, items=max(model.values()) + 1, kind=kind)


def targets(made: Split) -> dict[str, list[int]]:
    return {subject: made.targets.row(number).tolist() for number, subject in enumerate(made.judged.subjects)}


def test_the_edges_of_the_window() -> None:
    made = split((ANN, "milk", -1, 1), (ANN, "eggs", 0, 1), (ANN, "beer", 27, 1), (ANN, "milk", 28, 1))
    assert made.judged.item.tolist() == [0]
    assert made.judged.day.tolist() == [day_number(AS_OF) - 1]
    assert targets(made) == {ANN: [1, 2]}
    assert WINDOW.end == dt.date(2017, 12, 25)


def test_who_bought_in_the_window_is_judged_and_who_had_not_before_is_new() -> None:
    made = split((ANN, "milk", -1, 1), (BEN, "milk", 0, 1), (CID, "milk", -9, 1), (CID, "milk", 3, 1))
    assert made.judged.subjects == (BEN, CID)
    assert made.new.tolist() == [True, False]
    assert made.everyone.subjects == (ANN, CID)


def test_a_last_basket_is_judged_on_what_came_before_it_and_on_nobody_elses_future() -> None:
    made = split(
        (ANN, "milk", -1, 1),
        (ANN, "eggs", 3, 1),
        (ANN, "beer", 9, 1),
        (BEN, "milk", 0, 1),
        (CID, "beer", -3, 1),
        kind=SplitKind.LAST_BASKET,
    )
    assert targets(made) == {ANN: [2], BEN: [0]}
    assert made.days.tolist() == [day_number(day(9)), day_number(AS_OF)]
    assert made.judged.item.tolist() == [0, 1]  # Ann's milk and eggs
    assert made.new.tolist() == [False, True]
    assert sorted(made.everyone.item.tolist()) == [0, 2]  # nothing of the window, not even Ann's own
    assert made.everyone.day.max() < day_number(AS_OF)


def test_thinning_keeps_some_whole_subjects() -> None:
    people = [token(number) for number in range(9)]
    lines = [(who, item, after, 1.0) for who in people for item, after in (("milk", -2), ("eggs", -1), ("beer", 1))]
    whole = split(*lines)
    few = whole.thinned(4)
    assert len(few.judged) == len(few.days) == len(few.targets) == 4
    for number, subject in enumerate(few.judged.subjects):
        at = whole.judged.subjects.index(subject)
        assert few.bought(slice(number, number + 1)).tolist() == whole.bought(slice(at, at + 1)).tolist()
        assert few.relevant(slice(number, number + 1)).tolist() == whole.relevant(slice(at, at + 1)).tolist()
    assert whole.thinned(9) is whole


def test_items_the_model_does_not_know_are_neither_history_nor_target_and_counted() -> None:
    made = split(
        (ANN, "new", -1, 1), (ANN, "milk", 1, 1), (BEN, "milk", -1, 1), (BEN, "new", 1, 1), (BEN, "eggs", 1, 1)
    )
    assert targets(made) == {ANN: [0], BEN: [1]}
    assert (made.unknown_items, made.unknown_share) == (1, 1 / 3)
    assert made.new.tolist() == [True, False]  # all that Ann had bought before is unknown


def test_a_return_takes_from_its_own_side_of_the_day() -> None:
    kept = split((ANN, "milk", -5, 1), (ANN, "milk", 2, -1), (ANN, "eggs", 2, 1))
    assert kept.judged.item.tolist() == [0]  # the return had not happened by the as-of day
    assert targets(kept) == {ANN: [1]}
    gone = split((ANN, "milk", -5, 1), (ANN, "beer", 1, 1), (ANN, "beer", 2, -1), (ANN, "eggs", 2, 1))
    assert targets(gone) == {ANN: [1]}
    later = split((ANN, "milk", -5, 1), (ANN, "beer", 1, 1), (ANN, "beer", 28, -1))
    assert targets(later) == {ANN: [2]}  # nor had this one by the end of the window


def test_items_of_one_model_item_count_as_one() -> None:
    model = {"whole milk": 0, "skimmed milk": 0, "eggs": 1}
    made = split(
        (ANN, "whole milk", -2, 1),
        (ANN, "skimmed milk", -2, 1),
        (ANN, "whole milk", 1, 1),
        (ANN, "skimmed milk", 4, 1),
        model=model,
    )
    assert made.judged.item.tolist() == [0]
    assert targets(made) == {ANN: [0]}


def test_relevant_and_bought_are_laid_out_by_subject() -> None:
    made = split(
        (ANN, "milk", -1, 1), (ANN, "eggs", 1, 1), (BEN, "beer", -1, 1), (BEN, "beer", 1, 1), (BEN, "milk", 2, 1)
    )
    assert made.relevant(slice(0, 2)).tolist() == [[False, True, False], [True, False, True]]
    assert made.bought(slice(0, 2)).tolist() == [[True, False, False], [False, False, True]]
    assert made.relevant(slice(1, 2)).tolist() == [[True, False, True]]
    assert made.bought(slice(1, 2)).tolist() == [[False, False, True]]


def test_nobody_may_be_left() -> None:
    made = split((ANN, "milk", 28, 1))
    assert len(made.everyone) == len(made.judged) == len(made.targets) == 0


def test_how_much_of_a_window_the_data_cover() -> None:
    assert [WINDOW.covered(day(after)) for after in (-1, 0, 26, 27, 90)] == [0, 1, 27, 28, 28]
