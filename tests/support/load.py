"""Load on a real server, by aiohttp: one caller after the other, as many as answer at once, or so many a second."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Self

import aiohttp
import numpy as np

REFUSALS = frozenset({HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE})


@dataclass
class Load:
    """What became of the requests: seconds of those that were answered and of those that were refused."""

    accepted: list[float] = field(default_factory=list)
    refused: list[float] = field(default_factory=list)
    wrong: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0

    def note(self, status: int, headers: object, taken: float) -> None:
        """Count one answer; a refusal has to say when to come back."""
        if status == HTTPStatus.OK:
            self.accepted.append(taken)
        elif status in REFUSALS and "Retry-After" in headers:
            self.refused.append(taken)
        else:
            self.wrong[str(status)] += 1

    @property
    def rate(self) -> float:
        """Answered a second."""
        return len(self.accepted) / self.seconds

    @property
    def p99(self) -> float:
        """Of those that were answered, in seconds."""
        return quantile(self.accepted, 0.99)


def quantile(values: Sequence[float], share: float) -> float:
    """A quantile; NaN of nothing, which passes no bar."""
    return float(np.quantile(values, share)) if values else float("nan")


class Caller:
    """Sends requests, each with the next of `bodies`; if `keyed`, each with an Idempotency-Key, as our client."""

    def __init__(self, url: str, key: str, bodies: Sequence[bytes], *, keyed: bool = False) -> None:
        self._url, self._bodies, self._keyed, self._sent = f"{url}/v1/decisions", bodies, keyed, 0
        self._headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0), headers=self._headers, timeout=aiohttp.ClientTimeout(30)
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()

    async def send(self, load: Load) -> None:
        """One request."""
        self._sent += 1
        body, began = self._bodies[self._sent % len(self._bodies)], time.perf_counter()
        headers = {"Idempotency-Key": f'"{uuid.uuid4()}"'} if self._keyed else {}
        try:
            async with self._session.post(self._url, data=body, headers=headers) as response:
                await response.read()
                load.note(response.status, response.headers, time.perf_counter() - began)
        except (aiohttp.ClientError, TimeoutError) as error:
            load.wrong[type(error).__name__] += 1

    async def closed(self, connections: int, seconds: float) -> Load:
        """So many callers, each of whom asks again as soon as it is answered."""
        load, began = Load(), time.perf_counter()

        async def ask() -> None:
            while time.perf_counter() - began < seconds:
                await self.send(load)

        await asyncio.gather(*(ask() for _ in range(connections)))
        load.seconds = time.perf_counter() - began
        return load

    async def open(self, rate: float, seconds: float, *, seed: int = 0) -> Load:
        """So many requests a second on average, at random instants (Poisson), whatever becomes of those before."""
        rng, load, began, due = np.random.default_rng(seed), Load(), time.perf_counter(), 0.0
        under_way: set[asyncio.Task[None]] = set()
        while (passed := time.perf_counter() - began) < seconds:
            while due < passed:
                due += rng.exponential(1 / rate)
                task = asyncio.create_task(self.send(load))
                under_way.add(task)
                task.add_done_callback(under_way.discard)
            await asyncio.sleep(0.001)
        load.seconds = time.perf_counter() - began
        await asyncio.gather(*under_way)
        return load


def resident(pids: Sequence[int]) -> float:
    """MiB of memory that the processes hold."""
    lines = (line for pid in pids for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return sum(int(line.split()[1]) for line in lines if line.startswith("VmRSS:")) / 1024
