"""Who is one person, against a plain reference; limits; whose name stays; taking apart for good."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.links import (
    FIELDS,
    RANKS,
    TODAY,
    Name,
    Pair,
    arriving,
    entry,
    name_of,
    nodes,
    people,
    person_of,
    plainly_joined,
)

from pseudonymize.links.joining import Limits, Refused, joined
from pseudonymize.links.parting import parted
from pseudonymize.links.table import Links, no_links

FREE = Limits(dict.fromkeys(FIELDS, 99), dict.fromkeys(FIELDS, 99))
TIGHT = Limits(dict.fromkeys(FIELDS, 2), dict.fromkeys(FIELDS, 3))
names = st.tuples(st.sampled_from(FIELDS), st.integers(0, 7))
pairs_of = st.lists(st.tuples(names, names), max_size=25)
C1, C2, C3, C4 = (("card", number) for number in range(4))
E1, E2 = ("email", 1), ("email", 2)
P1 = ("phone", 1)


def linked(links: Links, *pairs: Pair, limits: Limits = FREE, day: dt.date = TODAY) -> Links:
    return joined(links, arriving(pairs, day=day), limits, RANKS).links


def reasons(links: Links, *pairs: Pair, limits: Limits = TIGHT) -> dict[Pair, str]:
    refused = joined(links, arriving(pairs), limits, RANKS).refused
    return {(name_of(a, b), name_of(c, d)): reason for a, b, c, d, reason in refused.iter_rows()}


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(first=pairs_of, second=pairs_of)
def test_components_are_those_of_the_plain_reference(first: list[Pair], second: list[Pair]) -> None:
    done = linked(linked(no_links(), *first), *second)
    everybody = {name for pair in [*first, *second] for name in pair}
    assert people(done) == plainly_joined(everybody, [*first, *second])


@pytest.mark.slow
@settings(max_examples=50, deadline=None)
@given(pairs=pairs_of, data=st.data())
def test_the_order_of_rows_does_not_matter_whatever_is_refused(pairs: list[Pair], data: st.DataObject) -> None:
    turned = [pair[::-1] if data.draw(st.booleans()) else pair for pair in data.draw(st.permutations(pairs))]
    one, other = (joined(no_links(), arriving(order), TIGHT, RANKS) for order in (pairs, turned))
    key = ["high", "low"]
    assert one.links.nodes.sort(key).equals(other.links.nodes.sort(key))
    assert sorted(one.refused.rows()) == sorted(other.refused.rows())


@pytest.mark.slow
@settings(max_examples=50, deadline=None)
@given(pairs=pairs_of, more=pairs_of, apart=st.tuples(names, names).filter(lambda pair: pair[0] != pair[1]))
def test_what_was_taken_apart_stays_apart_and_nobody_else_is(pairs: list[Pair], more: list[Pair], apart: Pair) -> None:
    before = linked(no_links(), *pairs, apart)
    after = parted(before, [(entry(apart[0]), entry(apart[1]))], RANKS)
    whole = next(group for group in people(before) if apart[0] in group)
    assert people(before) - {whole} == {group for group in people(after) if not group <= whole}
    again = linked(after, *pairs, apart, *more)
    for links in (after, again):
        assert not [group for group in people(links) if set(apart) <= group]
    assert person_of(after, person_of(before, apart[0])) == person_of(before, apart[0])


@pytest.mark.slow
@settings(max_examples=50, deadline=None)
@given(pairs=pairs_of, more=pairs_of)
def test_whoever_was_known_keeps_the_name_when_strangers_join(pairs: list[Pair], more: list[Pair]) -> None:
    before = linked(no_links(), *pairs)
    after = linked(before, *more, day=TODAY + dt.timedelta(1))
    known = {name_of(*row) for row in before.nodes.select("high", "low").iter_rows()}
    for group in people(after):
        old = {person_of(before, name) for name in group & known}
        tokens = {name for name in old if name[0] in RANKS}
        if len(old) == 1 and tokens:  # it joined nobody who was known
            assert person_of(after, next(iter(group))) in tokens


def test_the_field_that_is_named_first_gives_the_name_and_one_that_only_links_never_does() -> None:
    done = linked(no_links(), (E1, C2), (P1, C2))
    assert {person_of(done, name) for name in (E1, C2, P1)} == {C2}
    assert person_of(linked(no_links(), (P1, E1)), P1) == E1
    assert person_of(linked(linked(no_links(), (P1, P1)), (P1, E1)), P1) == E1


def test_of_two_people_the_one_known_longer_gives_the_name() -> None:
    before = linked(linked(no_links(), (C2, E2)), (C1, E1), day=TODAY + dt.timedelta(1))
    done = linked(before, (E1, P1), (E2, P1), day=TODAY + dt.timedelta(2))
    assert {person_of(done, name) for name in (C1, C2, E1, E2)} == {C2}


def test_a_telephone_of_many_joins_nobody_and_takes_nobodys_own_link() -> None:
    pairs: list[Pair] = [(C1, P1), (C2, P1), (C3, P1), (C1, E1)]
    assert set(reasons(no_links(), *pairs).values()) == {Refused.SHARED.value}
    done = linked(no_links(), *pairs, limits=TIGHT)
    assert frozenset({C1, E1}) in people(done)
    assert frozenset({P1}) in people(done)


def test_what_was_joined_stays_when_a_telephone_turns_out_to_be_shared() -> None:
    before = linked(no_links(), (C1, P1), (C2, P1), limits=TIGHT)
    assert reasons(before, (C3, P1)) == {(C3, P1): Refused.SHARED.value}
    assert frozenset({C1, C2, P1}) in people(linked(before, (C3, P1), limits=TIGHT))


def test_one_person_has_no_more_of_a_field_than_the_limit() -> None:
    chain: list[Pair] = [(C1, E1), (C2, E1), (C2, E2), (C3, E2), (C3, ("email", 3)), (C4, ("email", 3))]
    assert set(reasons(no_links(), *chain).values()) == {Refused.CROWDED.value}
    assert len(reasons(no_links(), *chain)) == len(chain)
    assert not reasons(no_links(), *chain[:4])


def test_taken_apart_each_goes_with_what_is_nearer_and_what_was_shared_with_neither() -> None:
    before = linked(no_links(), (C1, E1), (C1, P1), (C2, P1), (C2, E2))
    after = parted(before, [(entry(C1), entry(C2))], RANKS)
    assert people(after) == {frozenset({C1, E1}), frozenset({C2, E2}), frozenset({P1})}
    assert person_of(after, E1) == C1 == person_of(before, E2)
    again = reasons(after, (C1, P1), (C2, P1), (E1, C2), limits=FREE)
    assert sorted(again.values()) == [Refused.REJOINED.value, Refused.APART.value, Refused.APART.value]


@pytest.mark.parametrize("gone", [C1, E1])
def test_nobody_is_joined_with_the_forgotten(gone: Name) -> None:

    files = replace(arriving([(C1, E1), (C2, E2)]), forgotten=nodes([gone]).select("high", "low"))
    done = joined(no_links(), files, FREE, RANKS)
    assert done.refused["reason"].to_list() == [Refused.FORGOTTEN.value]
    assert people(done.links) == {frozenset({C1}), frozenset({E1}), frozenset({C2, E2})}
