"""What the tests of serving share: stores to try, a small shop with a real bundle, and servers."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.commands import run
from support.server import Server
from support.shop import Shop, build

from serving.stores import Store, create_store

# Every implementation of `Store`: the URL of one that nobody used before.
STORES = {"sqlite": lambda folder: f"sqlite:///{folder / 'state.db'}"}


@pytest.fixture(params=STORES)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return str(STORES[request.param](tmp_path))


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    made = create_store(url)
    yield made
    made.close()


@pytest.fixture(scope="session")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    """Its files, and a bundle fitted by the real command."""
    return build(tmp_path_factory.mktemp("shop"))


@pytest.fixture(scope="session")
def loaded(shop: Shop) -> Path:
    """A state that was loaded and is not to be touched."""
    path = shop.folder / "loaded.db"
    done = run("serving", *shop.load_options(f"sqlite:///{path}"))
    if done.returncode:
        raise RuntimeError(done.stderr)
    return path


@pytest.fixture
def state(loaded: Path, tmp_path: Path) -> str:
    """A loaded state for one test."""
    return f"sqlite:///{shutil.copy(loaded, tmp_path / 'shop.db')}"


@pytest.fixture(scope="session")
def server(shop: Shop, loaded: Path) -> Iterator[Server]:
    """A server that explains. Many tests ask it; whoever reports events to it does so of people of their own."""
    state = shutil.copy(loaded, shop.folder / "shared.db")
    with Server(*shop.serve_options(f"sqlite:///{state}"), "--explain") as running:
        yield running
