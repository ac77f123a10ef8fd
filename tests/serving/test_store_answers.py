"""What every store does with answers that may be asked for again, and with the keys of callers."""

from __future__ import annotations

import datetime as dt
import hmac
from concurrent.futures import ThreadPoolExecutor

import pytest
from support.lines import ANNA, NOW
from support.told import filled

from recsys.errors import UsageError
from serving.keys import SCOPES, new_key
from serving.stores import Claim, Replay, Store, open_store
from web.api_keys import digest_of, split

KEY, PRINT = b"k" * 32, b"f" * 32
MINUTE = dt.timedelta(minutes=1)


def test_an_answer_is_given_again(store: Store) -> None:
    answers = store.idempotency
    assert answers.begin(KEY, PRINT, now=NOW) is Claim.NEW
    assert answers.begin(KEY, PRINT, now=NOW) is Claim.IN_FLIGHT
    answers.finish(KEY, Replay(207, b"{}"), [ANNA, ANNA], now=NOW)
    assert answers.begin(KEY, PRINT, now=NOW) == Replay(207, b"{}")
    assert answers.begin(KEY, b"g" * 32, now=NOW) is Claim.MISMATCH
    assert answers.begin(b"l" * 32, PRINT, now=NOW) is Claim.NEW


def test_a_request_that_was_not_carried_out_may_be_sent_again(store: Store) -> None:
    store.idempotency.begin(KEY, PRINT, now=NOW)
    store.idempotency.abandon(KEY)
    assert store.idempotency.begin(KEY, b"g" * 32, now=NOW) is Claim.NEW


def test_a_claim_of_a_worker_that_died_ends_after_a_minute(store: Store) -> None:
    store.idempotency.begin(KEY, PRINT, now=NOW)
    assert store.idempotency.begin(KEY, PRINT, now=NOW + MINUTE - dt.timedelta(seconds=1)) is Claim.IN_FLIGHT
    assert store.idempotency.begin(KEY, PRINT, now=NOW + MINUTE) is Claim.NEW


def test_answers_are_kept_for_a_day(store: Store) -> None:
    store.idempotency.begin(KEY, PRINT, now=NOW)
    store.idempotency.finish(KEY, Replay(200, b"{}"), [ANNA], now=NOW)
    day = dt.timedelta(days=1)
    assert store.idempotency.begin(KEY, PRINT, now=NOW + day - MINUTE) == Replay(200, b"{}")
    assert store.idempotency.begin(KEY, b"g" * 32, now=NOW + day) is Claim.NEW
    assert store.access(ANNA).stored_answers == 0


def test_of_many_at_once_one_gets_the_claim(store: Store, url: str) -> None:
    other = open_store(url) if filled(store) else store
    with ThreadPoolExecutor(8) as pool:
        claims = list(pool.map(lambda n: [store, other][n % 2].idempotency.begin(KEY, PRINT, now=NOW), range(16)))
    other.close()
    assert sorted(claims) == sorted([Claim.NEW, *[Claim.IN_FLIGHT] * 15])


def test_of_several_claimed_in_one_write_each_is_told_its_own(store: Store) -> None:
    """One that is new, twice; one that was answered, with this content and another; one that somebody gave up."""
    keys = [bytes([number]) * 32 for number in range(3)]
    assert store.idempotency.begin_all([(key, PRINT) for key in keys[1:]], now=NOW - MINUTE) == (Claim.NEW, Claim.NEW)
    store.idempotency.finish(keys[1], Replay(200, b"{}"), [ANNA], now=NOW)
    asked = [(keys[0], PRINT), (keys[0], PRINT), (keys[0], KEY), (keys[1], PRINT), (keys[1], KEY), (keys[2], KEY)]
    assert store.idempotency.begin_all(asked, now=NOW) == (
        *(Claim.NEW, Claim.IN_FLIGHT, Claim.MISMATCH),
        *(Replay(200, b"{}"), Claim.MISMATCH, Claim.NEW),
    )


def test_a_key_is_kept_as_a_hash_until_it_is_revoked(store: Store, url: str) -> None:
    other = open_store(url) if filled(store) else store
    text, key = new_key("checkout", {"decide", "events"}, now=NOW)
    before = other.changes().keys
    store.keys.add(key)
    assert other.keys.all() == (key,)
    assert other.changes().keys == before + 1
    named = split(text)
    assert named is not None
    assert named[0] == key.key_id
    assert hmac.compare_digest(digest_of(named[1]), key.digest)
    assert store.keys.revoke(key.key_id, now=NOW + MINUTE)
    assert other.keys.all()[0].revoked == NOW + MINUTE
    assert not store.keys.revoke(key.key_id, now=NOW)
    assert not store.keys.revoke("0" * 12, now=NOW)
    assert other.changes().keys == before + 2
    assert store.audit.verify().records == 3  # the load, the key's beginning and its end
    other.close()


def test_keys_are_all_different_and_what_is_no_key_is_none() -> None:
    first, second = (new_key("a", SCOPES, now=NOW)[0] for _ in range(2))
    assert first != second
    for text in ("", "rk1", first[:-1], first + "x", first.replace("rk1", "rk2"), f"{first}\n", "rk1.é.é"):
        assert split(text) is None


@pytest.mark.parametrize("scopes", [[], ["everything"], ["decide", "everything"]])
def test_a_scope_that_there_is_not_is_refused(scopes: list[str]) -> None:
    with pytest.raises(UsageError, match="Scopes are: decide, events"):
        new_key("a", scopes, now=NOW)
