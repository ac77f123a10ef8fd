"""Every kind of write that a store takes: those that wait for the disk before they are answered, and the others."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

import polars as pl

from recsys.contracts.audit import AuditKind
from recsys.contracts.preferences import NewDismissal, PreferencesChange, dismissal_id
from recsys.contracts.rekey import MapHeader, RekeyMap
from recsys.contracts.relink import RelinkHeader, RelinkOrder
from recsys.contracts.state import DismissalScope
from serving.keys import new_key
from serving.stores import Replay, Reported, Store
from support.lines import ANNA, NOW, event, load, people, record
from support.tokens import token
from support.told import HOUR, settle, settling, told, yes

Act = Callable[[Store, int], object]
LONG: Final = 1_000 * HOUR
CATEGORY: Final = DismissalScope.CATEGORY


def nothing(store: Store, number: int) -> None:
    """Most writes need nothing to be there."""


@dataclass(frozen=True)
class Write:
    """A kind of write.

    Args:
        name: What the docs call it.
        act: Does it, with another number each time.
        before: Makes what it needs; nobody looks at that.
    """

    name: str
    act: Act
    before: Act = nothing


def _consent(store: Store, number: int) -> object:
    return store.change_preferences(ANNA, PreferencesChange(consents={f"channel:c{number}": yes()}), now=NOW)


def _interest(store: Store, number: int) -> object:
    return store.change_preferences(ANNA, PreferencesChange(interests=(f"interest {number}",)), now=NOW)


def _no_to_a_category(store: Store, number: int) -> object:
    said = NewDismissal(scope=CATEGORY, value=f"category {number}")
    return store.change_preferences(ANNA, PreferencesChange(dismiss=(said,)), now=NOW)


def _undo(store: Store, number: int) -> object:
    said = dismissal_id(CATEGORY, f"category {number}")
    return store.change_preferences(ANNA, PreferencesChange(undo=(said,)), now=NOW)


def _erase(store: Store, number: int) -> object:
    return store.erase([token(f"e{number}")], order_id=f"{number:032x}", now=NOW)


def _erase_again(store: Store, number: int) -> object:
    return store.erase_again(store.tombstones(), order_id=f"{1_000 + number:032x}", now=NOW)


def _add_key(store: Store, number: int) -> None:
    store.keys.add(replace(new_key(f"k{number}", {"decide"}, now=NOW)[1], key_id=f"key {number}"))


def _key_to_revoke(store: Store, number: int) -> None:
    _add_key(store, 1_000 + number)


def _revoke(store: Store, number: int) -> object:
    return store.keys.revoke(f"key {1_000 + number}", now=NOW)


def _prune(store: Store, number: int) -> object:
    return store.audit.prune(before=NOW + (number + 2) * HOUR, now=NOW)


def _checkpoint_to_prune(store: Store, number: int) -> None:
    _consent(store, 1_000 + number)
    store.audit.checkpoint(now=NOW + (number + 1) * HOUR)


def _old_purchase(store: Store, number: int) -> None:
    old = event(f"old {number}", (ANNA, "beer", 1, 1))
    store.record([Reported(old)], now=NOW - LONG)


def _load(store: Store, number: int) -> object:
    return load(store, people([(ANNA, "beer", 0, number + 1)]))


def _another_anna(store: Store, number: int) -> None:
    store.record([told(f"shown {number}.1", "exposure", subject=token(f"anna {number}"))], now=NOW)


def _relink(store: Store, number: int) -> object:
    header = RelinkHeader(
        order_id=f"{number:032x}",
        number=number + 1,
        parted=0,
        recipient="serving",
        domain="rec",
        epochs=("01",),
        issued_at=NOW,
    )
    joins = pl.DataFrame({"from": [token(f"anna {number}")], "to": [ANNA]})
    nobody = pl.DataFrame(schema={"from": pl.String, "to": pl.String, "basket": pl.String})
    return store.relink(RelinkOrder(header, joins, nobody.drop("basket"), nobody), skip=False, now=NOW)


def _rekey(store: Store, number: int) -> object:
    old, new = f"{10 + number}", f"{11 + number}"
    header = MapHeader(map_id=f"{number:032x}", domain="rec", from_epoch=old, to_epoch=new)
    tokens = pl.DataFrame({"from": [token("bela", epoch=old)], "to": [token("bela", epoch=new)]})
    return store.rekey(RekeyMap(header, tokens), now=NOW)


def _load_of_an_epoch(store: Store, number: int) -> None:
    bela = token("bela", epoch=f"{10 + number}")
    load(store, people([(bela, "beer", 0, 1)], {bela: []}, epoch=f"{10 + number}"))


def _answer(store: Store, number: int) -> object:
    key = number.to_bytes(32, "big")
    store.idempotency.begin(key, key, now=NOW)
    return store.idempotency.finish(key, Replay(200, b"{}"), [ANNA], now=NOW)


def _abandon(store: Store, number: int) -> object:
    key = (1_000 + number).to_bytes(32, "big")
    store.idempotency.begin(key, key, now=NOW)
    return store.idempotency.abandon(key)


# In an order in which none is in another's way: relinking must speak of every epoch, and rekeying makes more of them.
DURABLE: Final = (
    Write("consent", _consent),
    Write("interests", _interest),
    Write("dismissal by preferences", _no_to_a_category),
    Write("dismissal taken back", _undo, _no_to_a_category),
    Write("dismissal", lambda store, n: store.record([told(f"no {n}", "dismissal")], now=NOW)),
    Write("erasure", _erase),
    Write("erasure once more, after a restore", _erase_again),
    Write("API key", _add_key),
    Write("API key revoked", _revoke, _key_to_revoke),
    Write("reload announced", lambda store, n: store.announce_reload({"serving": f"m/{n}"}, now=NOW)),
    Write("record about nobody", lambda store, n: store.audit.append(AuditKind.RELOAD, {"n": n}, now=NOW)),
    Write("checkpoint", lambda store, _: store.audit.checkpoint(now=NOW)),
    Write("`audit prune`: records", _prune, _checkpoint_to_prune),
    Write("`audit prune`: events", lambda store, _: store.prune_events(NOW - LONG / 2), _old_purchase),
    Write("load of one person, all its steps", _load),
    Write("relinking", _relink, _another_anna),
    Write("rekeying", _rekey, _load_of_an_epoch),
)
QUICK: Final = (
    Write("exposure", lambda store, n: store.record([told(f"shown {n}", "exposure")], now=NOW)),
    Write("click", lambda store, n: store.record([told(f"click {n}", "click")], now=NOW)),
    Write("purchase", lambda store, n: record(store, event(1_000 + n, (ANNA, "beer", 1, 1)))),
    Write("decision with its audit record", lambda store, n: settle(store, settling(f"d{n}"))),
    Write("reservation", lambda store, n: settle(store, settling(f"r{n}", f"o{n}"))),
    Write("stored answer", _answer),
    Write("claim given back", _abandon),
)
WRITES: Final = (*DURABLE, *QUICK)
