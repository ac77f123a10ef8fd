from __future__ import annotations

import pytest
from support.lab import LabFiles
from support.lab import build as build_lab
from support.shop import Shop, build


@pytest.fixture(scope="session")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    """A small made-up shop, with a bundle."""
    return build(tmp_path_factory.mktemp("shop"))


@pytest.fixture(scope="session")
def files(shop: Shop) -> list[object]:
    """The options that commands about decisions share."""
    return [
        *("--bundle", shop.bundle, "--trust", shop.trust),
        *("--purchases", shop.file("purchases"), "--subjects", shop.file("subjects")),
        *("--catalogue", shop.file("catalogue"), "--offers", shop.file("offers"), "--as-of", "2017-11-27"),
    ]


@pytest.fixture(scope="session")
def lab_files(shop: Shop, tmp_path_factory: pytest.TempPathFactory) -> LabFiles:
    """The shop, what was bought afterwards, redemptions and demographics."""
    return build_lab(tmp_path_factory.mktemp("lab"), shop)
