"""The floors of what the forms read and the scan finds, on values that others made (docs/pii-coverage.md)."""

from __future__ import annotations

import pytest

from benchmarks.pii_coverage import AT_HOME, GATE, POLICY, Coverage, Text, by_policy, measured

RECALL = {
    POLICY: {
        "e-mail": 1,
        "card": 1,
        "IBAN": 1,
        "IPv4": 1,
        "IPv6": 0.99,
        "link": 1,
        "telephone": 0.97,
        "national number": 0.95,
    },
    AT_HOME: {
        "e-mail": 1,
        "telephone example, E.164": 0.9,
        "telephone example, international": 0.9,
        "IBAN example": 1,
        "national number example": 0.8,
        "card": 0.85,
        "IBAN": 0.95,
        "IPv4": 1,
        "IPv6": 0.99,
        "telephone": 0.8,
        "national number": 0.6,
    },
}


@pytest.fixture(scope="module")
def coverage() -> Coverage:
    return measured(2)


@pytest.mark.slow  # every locale
def test_what_others_call_valid_is_read_as_what_it_is(coverage: Coverage) -> None:
    assert {share.of: share.value for share in coverage.forms} == dict.fromkeys(
        (share.of for share in coverage.forms), 1.0
    )
    assert sum(share.all for share in coverage.forms) > 4_500


@pytest.mark.slow  # as above
def test_the_scan_finds_what_it_is_said_to_find_and_nothing_where_nothing_is(coverage: Coverage) -> None:
    for scan, floors in RECALL.items():
        recall = {share.of: share.value for share in coverage.recall[scan]}
        assert {kind: recall[kind] for kind, floor in floors.items() if recall[kind] < floor} == {}
        assert recall["name"] < 0.1  # the page says so: a scan finds traces, not names
    alarms = {scan: {share.of: share.value for share in shares} for scan, shares in coverage.alarms.items()}
    assert alarms[POLICY]["opinions"] == alarms[POLICY]["small numbers"] == 0
    assert set(alarms[GATE].values()) == {0}


@pytest.mark.slow  # as above
def test_names_of_the_raw_files_are_found_in_texts_and_others_are_not(coverage: Coverage) -> None:
    recall = {share.of: share.value for share in coverage.names}
    assert min(value for of, value in recall.items() if of != "of one word") > 0.85
    assert recall["of one word"] < 0.05  # the page says so
    assert coverage.strangers.value < 0.01


def test_an_ip_address_is_found_in_either_version() -> None:
    texts = ["from 2001:db8::1 today", "from 192.168.0.17", "open 08:00-20:00", "ratio 3:2:1"]
    assert by_policy([Text(text, "", "") for text in texts]).to_list() == [True, True, False, False]
