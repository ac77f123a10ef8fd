"""What benchmarks/service.py holds the service against: the same bundle behind FastAPI, and nothing else.

`BARE=build/demo python -m benchmarks.bare_service 8080 1` serves with one worker. No state, no guards, no reservation,
no audit, no keys: everybody's history is in memory, the model items of all offers are scored, and the ten best go out
by their number. `async def`, as in whatever should be fast: in FastAPI's thread pool it would take far longer.
"""

from __future__ import annotations

import datetime as dt
import os
import sys
from pathlib import Path

import numpy as np
import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel

from benchmarks.population import read
from recsys.candidate_map import CandidateMap
from recsys.history import day_number
from recsys.model_items import catalogue_map

AS_OF = dt.date(2017, 11, 27)


class Ask(BaseModel):
    """A question."""

    subject: str
    channel: str
    count: int = 10


def application() -> FastAPI:
    """The endpoint."""
    recommender, people = read(Path(os.environ["BARE"]))
    scorer, book = recommender.scorer, recommender.book
    codes = scorer.codes(book.index, catalogue_map(book.catalogue, scorer.bundle.manifest.level))
    candidates = CandidateMap.of(book, codes, scorer.parts(book.index, codes)).candidates
    histories = people.histories(book.index, until=AS_OF, subjects=people.subjects)
    rows = {subject: row for row, subject in enumerate(people.subjects)}
    app = FastAPI()

    @app.post("/v1/decisions")
    async def decide(ask: Ask) -> dict[str, list[int]]:
        row = rows[ask.subject]
        folded = scorer.fold(histories.slice(row, row + 1), codes, as_of=day_number(AS_OF))
        best = np.argsort(-scorer.score(folded, candidates)[0])[: ask.count]
        return {"items": candidates[best].tolist()}

    return app


if __name__ == "__main__":
    port, workers = map(int, sys.argv[1:])
    uvicorn.run(
        "benchmarks.bare_service:application",  # by name, as several workers need it
        factory=True,
        host="127.0.0.1",
        port=port,
        workers=workers,
        log_level="warning",
    )
