from __future__ import annotations

import pytest
from support.market import Market, build


@pytest.fixture(scope="session")
def market(tmp_path_factory: pytest.TempPathFactory) -> Market:
    """Seventy people, sixteen types, and a bundle."""
    return build(tmp_path_factory.mktemp("market"))
