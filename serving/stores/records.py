"""What goes into a store and what comes out of it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field

import polars as pl

from recsys.contracts.decision import Decision, DecisionRequest
from recsys.contracts.event import Event
from recsys.contracts.state import State
from recsys.contracts.token import Lineage
from recsys.history import Histories
from recsys.policy.document import Cap


@dataclass(frozen=True, slots=True)
class Known:
    """What the store knows of B subjects. Of a stranger: an empty history and the empty state.

    Args:
        histories: B histories over the items that were asked for, net of returns.
        states: B states, with exposures, reservations, responses, dismissals, consents, interests and arm.
    """

    histories: Histories
    states: tuple[State, ...]


@dataclass(frozen=True, slots=True)
class Reported:
    """An event, and what the door knows of it that the sender does not.

    Args:
        event: An event whose fields fit its type; an exposure names a channel.
        categories: Of an exposure: the category paths of the offer's items, frozen from now on.
    """

    event: Event
    categories: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Recorded:
    """What became of a batch of events.

    Args:
        accepted: Events that were new.
        duplicates: Events whose `event_id` was known.
        erased: The positions in the batch of events about people who were erased; nothing of them was kept.
        late: Accepted exposures that came after their reservation had expired, or more than an hour after they
            happened. They are facts and count.
        over_cap: Accepted exposures that a cap would not have allowed at their time. They count too.
    """

    accepted: int
    duplicates: int
    erased: tuple[int, ...] = ()
    late: int = 0
    over_cap: int = 0


@dataclass(frozen=True, slots=True)
class Wanted:
    """A place that a decision takes for a channel that pushes.

    Args:
        offer_id: The offer.
        categories: The category paths of its items, frozen from now on.
        expires: Until when it counts, unless an exposure with this decision's id takes its place before.
    """

    offer_id: str
    categories: tuple[str, ...]
    expires: dt.datetime


@dataclass(frozen=True, slots=True)
class Replay:
    """The answer that was given to the same request before."""

    status: int
    body: bytes


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to a request that was claimed; see `Idempotency`.

    Args:
        key: Of the claim.
        replay: What a repetition is to get.
    """

    key: bytes
    replay: Replay


@dataclass(frozen=True, slots=True)
class Settling:
    """A decision that is to be written down.

    Args:
        decision: With `withheld`, which the log keeps.
        request: What was asked; its channel is that of the reservations.
        wanted: The reservations, in the order of the list; empty for channels that pull.
        caps: The policy's caps; needed with `wanted`.
        details: What else the log should say. No tokens, nothing that a caller sent.
        remember: The arm, as `recsys.arms.to_remember` writes it, where the policy draws lots: it must last.
        answer: The answer that it stands in, the same for all of them. It is kept if all of these are written.
    """

    decision: Decision
    request: DecisionRequest
    wanted: tuple[Wanted, ...] = ()
    caps: tuple[Cap, ...] = ()
    details: Mapping[str, str | int | float | bool] = field(default_factory=dict)
    remember: str | None = None
    answer: Answer | None = None


@dataclass(frozen=True, slots=True)
class Settled:
    """What became of a decision.

    Args:
        written: Whether it stands in the log, with all of its reservations; else nothing of it was kept.
        refused: The offers for which a cap leaves no room any more.
        erased: Whether the subject was erased meanwhile: nothing may go out.
    """

    written: bool
    refused: tuple[str, ...] = ()
    erased: bool = False


@dataclass(frozen=True, slots=True)
class Changes:
    """Counters that every worker may look at before every request. Each only ever grows.

    Args:
        lineages: Loads and rekeyings.
        keys: API keys that were created or revoked.
        reloads: Calls of `announce_reload`.
    """

    lineages: int
    keys: int
    reloads: int


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key as it is stored: nobody can tell the key from it.

    Args:
        key_id: Its public part.
        name: What the operator calls it.
        digest: SHA-256 of its secret part, 32 bytes.
        scopes: What it may do.
        created: When it was made.
        revoked: When it ended; None while it holds.
    """

    key_id: str
    name: str
    digest: bytes
    scopes: frozenset[str]
    created: dt.datetime
    revoked: dt.datetime | None = None


@dataclass(frozen=True, slots=True)
class People:
    """Everything that a load puts into the store.

    Args:
        lineage: The domain and epoch of all tokens in it.
        subjects: In the subjects contract.
        daily: `subject, item, day, quantity, baskets`, as `recsys.history.purchase_days` makes it. Who is not among
            `subjects` has agreed to nothing.
        until: The last day that the purchases cover; purchases that came as events stand if they are later. None: the
            last day in `daily`.
        fingerprint: Of what is loaded: a load that was interrupted goes on where the same was being loaded.
    """

    lineage: Lineage
    subjects: pl.DataFrame
    daily: pl.DataFrame
    until: dt.date | None = None
    fingerprint: str = ""
