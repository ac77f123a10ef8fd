"""The token gateway against a bare FastAPI endpoint that returns its input: `python -m benchmarks.gateway`.

Both as servers of one worker, asked in turn by the same client over the same connections; what counts is the processor
time of the server's process a request, so that neither the client nor other work on the machine does. In the gateway's
vault people are linked and some were forgotten, as in one that is in use; nobody who was is asked for.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import msgspec

FIELDS: Final = """
version = 1
[fields.card]
[fields.email]
canonical = "email"
[tables.customers]
match = "customers*"
feeds = "subjects"
[tables.customers.columns]
card = { role = "subject", field = "card" }
email = { role = "identifier", action = "link", field = "email" }
[tables.receipts]
match = "receipts*"
feeds = "purchases"
[tables.receipts.columns]
card = { role = "subject", field = "card" }
sold_at = { role = "quasi", generalise = "day", to = "day" }
item = { role = "feature", to = "item" }
quantity = { role = "feature", to = "quantity" }
"""
BARE: Final = """
import sys
import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel
from web.listening import bind, listen, url_of
from web.terms import Terms

class Ask(BaseModel):
    field: str
    values: list[str]

app = FastAPI()

@app.post("/v1/tokens")
async def same(ask: Ask) -> Ask:
    return ask

with bind("127.0.0.1", 0) as listening:
    listen(app, listening, Terms(), lambda: print(url_of(listening), flush=True))
"""
CONNECTIONS: Final = 64
ROUNDS: Final = 5
BATCHES: Final = {1: 2_000, 100: 1_500, 1_000: 1_000}  # values in a request, and requests in a round
LINKED, FORGOTTEN = 20_000, 2_000


def main() -> None:
    """Print processor time a request of both, and how many times as many requests ours answers."""
    with tempfile.TemporaryDirectory() as folder:
        base = Path(folder)
        (base / "fields.toml").write_text(FIELDS)
        named = ["--vault", base / "vault", "--fields", base / "fields.toml"]
        _fill(base, named)
        key = _done("callers", "create", *named, "--field", "card", "--per-minute", 10**9)
        with (
            _server("-m", "pseudonymize", "serve", *named, "--port", 0) as (ours, our_url),
            _server("-c", BARE) as (other, their_url),
        ):
            for values, requests in BATCHES.items():
                rounds = []
                for _ in range(ROUNDS + 1):
                    spent = (
                        _spent(ours, our_url, key, values, requests),
                        _spent(other, their_url, key, values, requests),
                    )
                    rounds.append(spent)
                mine, theirs = (statistics.median(column) for column in zip(*rounds[1:], strict=True))
                ratio = statistics.median(other / own for own, other in rounds[1:])
                print(  # noqa: T201 - a script's result
                    f"{values:>6,} values a request: {mine * 1e6:8.0f} µs; bare FastAPI {theirs * 1e6:8.0f} µs; "
                    f"{ratio:.2f} times its throughput, {values / mine:,.0f} tokens a second",
                    flush=True,
                )


def _fill(base: Path, named: Sequence[object]) -> None:
    """A vault in which some addresses are a card's, and some cards nobody's any more."""
    people = [(f"linked-{number}", f"person{number}@example.com") for number in range(LINKED)]
    (base / "customers.csv").write_text("\n".join(["card,email", *map(",".join, people)]))
    gone = "\n".join(f"gone-{number}" for number in range(FORGOTTEN))
    _done("keys", "init", *named[:2])
    _done("token", *named, "--field", "card", stdin="1")  # the domain's first use
    _done("link", *named, base / "customers.csv")
    _done("forget", *named, "--field", "card", "--out", base / "orders", stdin=gone)


def _spent(pid: int, url: str, key: str, values: int, requests: int) -> float:
    """Processor seconds a request."""
    cards = [str(9 * 10**15 + secrets.randbelow(10**12)) for _ in range(values)]
    body = msgspec.json.encode({"field": "card", "values": cards})
    before = _processor(pid)
    asyncio.run(_ask(url, key, body, requests))
    return (_processor(pid) - before) / requests


async def _ask(url: str, key: str, body: bytes, requests: int) -> None:
    """Plain HTTP/1.1 over kept connections: a client of a library's would take longer than the servers do."""
    host, _, port = url.removeprefix("http://").partition(":")
    head = f"POST /v1/tokens HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {key}\r\n"
    sent = f"{head}Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body
    left = iter(range(requests))

    async def one() -> None:
        reader, writer = await asyncio.open_connection(host, int(port))
        for _ in left:
            writer.write(sent)
            answered = (await reader.readuntil(b"\r\n\r\n")).lower()
            if not answered.startswith(b"http/1.1 200 "):
                raise RuntimeError(answered.decode())
            await reader.readexactly(int(answered.partition(b"content-length: ")[2].split()[0]))
        writer.close()
        await writer.wait_closed()

    await asyncio.gather(*(one() for _ in range(CONNECTIONS)))


def _processor(pid: int) -> float:
    """Seconds of the processor that a process took, all its threads together, also those that ended: proc(5)."""
    ticks = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13]
    return sum(map(int, ticks)) / os.sysconf("SC_CLK_TCK")


def _done(*words: object, stdin: str = "") -> str:
    command = [sys.executable, "-m", "pseudonymize", *map(str, words)]
    return subprocess.run(command, check=True, capture_output=True, text=True, input=stdin).stdout.strip()  # noqa: S603 - our own


@contextmanager
def _server(*words: object) -> Iterator[tuple[int, str]]:
    """A server's process id and address, while the block lasts."""
    command = [sys.executable, *map(str, words)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603 - our own
        try:
            yield process.pid, process.stdout.readline().strip() if process.stdout else ""
        finally:
            process.terminate()


if __name__ == "__main__":
    main()
