"""Holding what the service answers against deciding offline, on the state that it exports."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator
from dataclasses import dataclass

import msgspec
import numpy as np
import polars as pl

from recsys.bundle import load_bundle
from recsys.contracts.decision import Decision, DecisionRequest
from recsys.contracts.state import EMPTY_STATE, State
from recsys.history import histories
from recsys.offer_book import open_offer_book
from recsys.policy import load_policy
from recsys.recommender import Recommender
from recsys.scorer import Scorer
from recsys.two_bundles import TwoBundles
from serving.stores import open_store
from support.commands import succeeded
from support.server import Server
from support.shop import (
    ABSTAINER,
    BEER,
    DRINKER,
    FRESH,
    MILK,
    NEWCOMER,
    STRANGER,
    TYPES,
    UNLISTED,
    UNPROFILED,
    UNREACHABLE,
    Shop,
    challenge,
)
from support.tokens import token

PEOPLE = (
    *(token(number) for number in range(80)),
    *(DRINKER, ABSTAINER, UNPROFILED, UNREACHABLE, UNLISTED, STRANGER, NEWCOMER, *FRESH),
)
OFFERS = [f"offer-{kind}-1" for kind in TYPES]
BATCH = 100
RULES = """
[fatigue]
after = 2
rest_days = 14

[[cap]]
per = "category"
max = 2
hours = 500
depth = 2

[[cap]]
per = "channel"
max = 9
hours = 300

[holdout]
salt = "a salt of the test"
empty = 0.1
popular = 0.1

[trial]
salt = "another bundle"
challenger = 0.4
"""
MIDNIGHT = "2017-11-27T00:00:00Z"  # what `recsys-evaluate decide --as-of` means by the day
_YESTERDAY = "2017-11-26T09:00:00Z"
_JSON = {"content-type": "application/json"}


@dataclass(frozen=True)
class Exported:
    """What the store gave away of everybody."""

    states: dict[str, State]
    purchases: pl.DataFrame

    @classmethod
    def of(cls, state: str) -> Exported:
        """Read it all."""
        with contextlib.closing(open_store(state)) as store:
            states = {line.subject: line.state for part in store.exports.states() for line in part}
            return cls(states, pl.concat(store.exports.purchases()))


def live(server: Server, seed: int) -> None:
    """Some weeks of shopping, showing, clicking and saying no, from a generator."""
    rng = np.random.default_rng(seed)
    events = [_event(rng, number) for number in range(600)]
    for start in range(0, len(events), 200):
        server.tell(*events[start : start + 200])
    for who in rng.choice(PEOPLE, 20, replace=False).tolist():
        granted = {"granted": bool(rng.random() < 0.5), "at": _YESTERDAY, "source": "form"}
        change = {"subject": who, "interests": ["cheese"], "consents": {"profiling": granted, "channel:app": granted}}
        response = server.http.put("/v1/preferences", json=change)
        if response.is_error:
            raise RuntimeError(response.text)


def _event(rng: np.random.Generator, number: int) -> dict[str, object]:
    kind = str(rng.choice(["purchase", "purchase", "return", "exposure", "exposure", "exposure", "click", "dismissal"]))
    at = f"2017-11-{int(rng.integers(1, 27)):02}T{int(rng.integers(24)):02}:00:00Z"
    event: dict[str, object] = {"event_id": f"life.{number}", "type": kind, "at": at}
    event["subject"] = PEOPLE[int(rng.integers(len(PEOPLE)))]
    if kind in {"purchase", "return"}:
        return event | {"item": str(rng.choice([MILK, BEER, "wine-0", "tea-2"])), "quantity": int(rng.integers(1, 4))}
    return event | {"offer_id": str(rng.choice(OFFERS)), "channel": str(rng.choice(["email", "till"]))}


def requests(count: int, seed: int) -> Iterator[list[DecisionRequest]]:
    """Batches of generated requests."""
    rng = np.random.default_rng(seed)
    for start in range(0, count, BATCH):
        yield [
            DecisionRequest(
                subject=PEOPLE[int(rng.integers(len(PEOPLE)))],
                channel=("email", "till", "app")[int(rng.integers(3))],
                placement=(None, "top")[int(rng.integers(2))],
                count=int(rng.integers(1, 15)),
                exclude=tuple(rng.choice([*OFFERS, "offer-nowhere"], rng.integers(3), replace=False).tolist()),
            )
            for _ in range(min(BATCH, count - start))
        ]


def serving(shop: Shop, state: str, guards: object) -> list[object]:
    """`recsys-serve` with both bundles, from midnight on."""
    options = shop.serve_options(state)
    options[options.index("--guards") + 1] = guards
    options[options.index("--now") + 1] = MIDNIGHT
    return [*options, "--challenger", challenge(shop)]


def by_the_command(server: Server, shop: Shop, guards: object) -> tuple[list[Decision], list[str]]:
    """Decide for everyone by the real commands, from exported files, and by HTTP; where they differ.

    The state is exported before the service is asked.
    """
    files = {
        name: shop.folder / f"exported-{name}" for name in ("state.jsonl", "subjects.parquet", "purchases.parquet")
    }
    for name, path in files.items():
        succeeded("serving", "export", name.partition(".")[0], "--state", server.state, "--out", path)
    out = shop.folder / "by-the-command.jsonl"
    succeeded(
        "recsys",
        *(
            "decide",
            "--bundle",
            shop.bundle,
            "--challenger",
            challenge(shop),
            "--trust",
            shop.trust,
            "--guards",
            guards,
        ),
        *("--purchases", files["purchases.parquet"], "--subjects", files["subjects.parquet"]),
        *("--state", files["state.jsonl"], "--catalogue", shop.file("catalogue"), "--offers", shop.file("offers")),
        *("--as-of", MIDNIGHT[:10], "--k", 6, "--out", out, "--explain"),
    )
    decided = [msgspec.json.decode(line, type=Decision) for line in out.read_bytes().splitlines()]
    asks = [DecisionRequest(subject=one.subject, channel="email", count=6) for one in decided]
    answered: list[Decision] = []
    for start in range(0, len(asks), BATCH):
        answer = server.http.post(
            "/v1/decisions", content=msgspec.json.encode(asks[start : start + BATCH]), headers=_JSON
        )
        answered += msgspec.json.decode(answer.content, type=list[Decision])
    return answered, [
        f"{ours} != {theirs}"
        for ours, theirs in zip(answered, decided, strict=True)
        if not _alike(
            *map(msgspec.to_builtins, (_nameless(ours), _nameless(msgspec.structs.replace(theirs, at=ours.at))))
        )
    ]


def differences(server: Server, shop: Shop, guards: object, *, count: int, seed: int) -> list[str]:
    """Where the service's answers differ from those of the core on the exported state; empty: nowhere.

    The state is exported after the requests: asking changes nothing that a later decision depends on.
    """
    asked = list(requests(count, seed))
    answered = [server.http.post("/v1/decisions", content=msgspec.json.encode(part), headers=_JSON) for part in asked]
    exported, found = Exported.of(server.state), []
    catalogue, offered = pl.read_parquet(shop.file("catalogue")), pl.read_parquet(shop.file("offers"))
    book = open_offer_book(offered, catalogue, load_policy(guards))
    bundles = [
        Recommender(Scorer(load_bundle(path, trust=shop.trust)), book) for path in (shop.bundle, challenge(shop))
    ]
    recommender = TwoBundles(*bundles)
    for part, answer in zip(asked, answered, strict=True):
        decisions = msgspec.json.decode(answer.content, type=list[Decision])
        subjects = [request.subject for request in part]
        expected = recommender.decide(
            part,
            histories(exported.purchases, book.index, subjects=subjects),
            [exported.states.get(subject, EMPTY_STATE) for subject in subjects],
            at=decisions[0].at,
            rng=np.random.default_rng(0),
        )
        found += [
            f"{ours.subject}: {ours} != {theirs}"
            for ours, theirs in zip(decisions, expected, strict=True)
            if _nameless(ours) != _nameless(theirs)
        ]
    return found


def _nameless(decision: Decision) -> Decision:
    return msgspec.structs.replace(decision, decision_id="")


def _plain(decision: Decision) -> object:
    return msgspec.to_builtins(_nameless(decision))


def _alike(one: object, other: object) -> bool:
    """The same, but for the last bits of a score: with others in a batch sums are taken in another order (ADR 17)."""
    if isinstance(one, float) and isinstance(other, float):
        return math.isclose(one, other, rel_tol=1e-5, abs_tol=1e-6)
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_alike(value, other[name]) for name, value in one.items())
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        return len(one) == len(other) and all(map(_alike, one, other))
    return one == other
