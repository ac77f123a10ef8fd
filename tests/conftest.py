"""Fixtures that every folder may use."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.chain import Chain, build


@pytest.fixture(scope="session")
def chain(tmp_path_factory: pytest.TempPathFactory) -> Chain:
    """The whole chain on 120 households of the real data."""
    folder: Path = tmp_path_factory.mktemp("chain")
    return build(folder, households=120)
