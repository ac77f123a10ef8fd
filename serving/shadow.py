"""The shadow: another bundle that is asked the same, beside the answer. Its lists are compared and shown to nobody."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final

import numpy as np
import structlog

from recsys.arms import Arm
from recsys.contracts.decision import Decision, DecisionRequest
from recsys.contracts.state import State
from recsys.history import Histories
from recsys.recommender import Recommender
from serving.metrics import Metrics

_log: Final = structlog.stdlib.get_logger(__name__)

Asked = tuple[Sequence[DecisionRequest], Histories, Sequence[State]]

_MOST: Final = 16  # comparisons that wait: more are left out, since nobody waits for them


class Shadow:
    """Compares in a thread of its own, as far as there is time."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="shadow")
        self._room = threading.BoundedSemaphore(_MOST)

    def compare(self, shadow: Recommender, asked: Asked, decisions: Sequence[Decision]) -> None:
        """Have the shadow decide the same, if it is not behind."""
        if self._room.acquire(blocking=False):
            self._thread.submit(self._compared, shadow, asked, decisions).add_done_callback(self._done)

    def close(self) -> None:
        """End the thread; comparisons that wait are left out."""
        self._thread.shutdown(cancel_futures=True)

    def _done(self, job: Future[None]) -> None:
        self._room.release()
        if not job.cancelled() and job.exception() is not None:
            _log.warning("shadow_failed", exc_info=job.exception())

    def _compared(self, shadow: Recommender, asked: Asked, decisions: Sequence[Decision]) -> None:
        requests, histories, states = asked
        others = shadow.decide(requests, histories, states, at=decisions[0].at, rng=np.random.default_rng(0))
        for ours, theirs in zip(decisions, others, strict=True):
            if ours.items and ours.arm != Arm.CHALLENGER:  # the challenger's lists are not what it is held against
                self._metrics.shadow.observe(overlap(ours, theirs))


def overlap(ours: Decision, theirs: Decision) -> float:
    """The share of our list that stands in theirs as well, at whatever place."""
    listed = {item.offer_id for item in theirs.items}
    return sum(item.offer_id in listed for item in ours.items) / len(ours.items)
