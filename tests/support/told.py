"""Events about offers, decisions and preferences in a few words, for tests of stores."""

from __future__ import annotations

import datetime as dt
from typing import Any

from recsys.contracts.decision import Decision, DecisionRequest, Fill, RankedOffer
from recsys.contracts.event import Event, EventType
from recsys.contracts.preferences import Consent
from recsys.contracts.token import Lineage
from recsys.policy.document import Cap, CapScope
from serving.stores import Reported, Settled, Settling, Store, Wanted
from support.lines import ANNA, NOW, load, people

BEER, MILK = ("DRINK / BEERS/ALES / beer",), ("FOOD / MILK / milk",)
HOUR = dt.timedelta(hours=1)
EVERYTHING = {"profiling", "channel:email"}
LINEAGE = Lineage("rec", "01")


def filled(store: Store) -> Store:
    """A store that knows Anna, who agreed to profiling and e-mail and bought beer twice."""
    load(store, people([(ANNA, "beer", 0, 2), (ANNA, "beer", 1, 1)]))
    return store


def told(name: object, kind: str, *, subject: str = ANNA, at: dt.datetime = NOW, **more: Any) -> Reported:  # noqa: ANN401 - fields of an event
    """An event about offer o1; an exposure is by e-mail, and of beer."""
    shown = kind == "exposure"
    categories = more.pop("categories", BEER if shown else ())
    if "item" not in more:
        more.setdefault("offer_id", "o1")
    if shown:
        more.setdefault("channel", "email")
    return Reported(Event(event_id=f"{name}", type=EventType(kind), subject=subject, at=at, **more), categories)


def decided(name: object, *offers: str, subject: str = ANNA, arm: str = "personal") -> Decision:
    """A decision with these offers."""
    items = tuple(RankedOffer(offer_id=o, rank=n, score=1.0 / n, propensity=1.0) for n, o in enumerate(offers, 1))
    return Decision(
        decision_id=f"{name}",
        subject=subject,
        at=NOW,
        model_version="m/1",
        policy_version="p@1",
        arm=arm,
        fill=Fill.PERSONAL,
        items=items,
        withheld={"never": 3},
    )


def settling(
    name: object,
    *offers: str,
    subject: str = ANNA,
    caps: tuple[Cap, ...] = (),
    channel: str = "email",
    **more: Any,  # noqa: ANN401 - of Settling
) -> Settling:
    """A decision to settle that reserves each of its offers for an hour."""
    expires = more.pop("expires", NOW + HOUR)
    wanted = tuple(Wanted(offer, BEER, expires) for offer in offers)
    request = DecisionRequest(subject=subject, channel=channel)
    arm = more.pop("arm", "personal")
    if more.pop("remember_arm", False):
        more["remember"] = arm
    return Settling(decided(name, *offers, subject=subject, arm=arm), request, wanted, caps, **more)


def settle(store: Store, *decisions: Settling, now: dt.datetime = NOW) -> list[Settled]:
    """Settle, now."""
    return list(store.settle(decisions, now=now))


def per_offer(most: int, hours: int = 24) -> Cap:
    """A cap on each offer."""
    return Cap(per=CapScope.OFFER, max=most, hours=hours)


def yes(at: dt.datetime = NOW, source: str = "app") -> Consent:
    """A consent that was given."""
    return Consent(granted=True, at=at, source=source)


def no(at: dt.datetime = NOW, source: str = "app") -> Consent:
    """A consent that was taken back."""
    return Consent(granted=False, at=at, source=source)
