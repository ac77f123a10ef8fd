"""What the tests of serving share: stores to try, a small shop with a real bundle, and servers."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.commands import succeeded
from support.postgres import Postgres
from support.server import Server
from support.shop import Shop, build

from serving.stores import Store, create_store

# Every implementation of `Store`. PostgreSQL is started by the first test that asks for it.
STORES = ["sqlite", pytest.param("postgresql", marks=pytest.mark.slow)]


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A real PostgreSQL."""
    server = Postgres()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def empty_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite file with empty tables, for copies."""
    path = tmp_path_factory.mktemp("empty") / "state.db"
    create_store(f"sqlite:///{path}").close()
    return path


@pytest.fixture(scope="session")
def empty_database(postgres: Postgres) -> str:
    """A PostgreSQL database with empty tables, for copies."""
    url = postgres.database()
    create_store(url).close()
    return url


@pytest.fixture(params=STORES)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A store that nobody used before."""
    if request.param == "sqlite":
        return f"sqlite:///{shutil.copy(request.getfixturevalue('empty_file'), tmp_path / 'state.db')}"
    server: Postgres = request.getfixturevalue("postgres")
    return server.copy(request.getfixturevalue("empty_database"))


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
    succeeded("serving", *shop.load_options(f"sqlite:///{path}"))
    return path


@pytest.fixture
def state(loaded: Path, tmp_path: Path) -> str:
    """A loaded state for one test."""
    return f"sqlite:///{shutil.copy(loaded, tmp_path / 'shop.db')}"


@pytest.fixture(scope="session")
def server(shop: Shop, loaded: Path) -> Iterator[Server]:
    """A server that explains. Many tests ask it; whoever reports events to it does so of people of their own."""
    state = shutil.copy(loaded, shop.folder / "shared.db")
    with Server(*shop.serve_options(f"sqlite:///{state}")) as running:
        yield running
