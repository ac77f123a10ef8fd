from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
from support.tastes import Done, Shop

from recsys.bundle import Bundle, load_bundle
from recsys.errors import BundleError, ContractError, IntegrityError
from training.export import seal
from training.signing import create_signing_key, read_signing_key

FILES = (
    "card.md",
    "items.parquet",
    "manifest.json",
    "manifest.sig",
    "model.onnx",
    "statistics.parquet",
    "vocabulary.parquet",
)


@pytest.fixture
def copy(fitted: Done, tmp_path: Path) -> Path:
    return Path(shutil.copytree(fitted.bundle, tmp_path / fitted.bundle.name))


def test_these_are_the_files_of_a_bundle(copy: Path) -> None:
    assert sorted(file.name for file in copy.iterdir()) == list(FILES)


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("place", [0, 0.5, 1])
def test_one_byte_changed_is_noticed(copy: Path, shop: Shop, name: str, place: float) -> None:
    load_bundle(copy, trust=shop.trust)
    content = bytearray((copy / name).read_bytes())
    content[int(place * (len(content) - 1))] ^= 1
    (copy / name).write_bytes(content)
    with pytest.raises(IntegrityError):
        load_bundle(copy, trust=shop.trust)


def test_another_key_is_not_trusted(copy: Path, tmp_path: Path) -> None:
    create_signing_key(tmp_path / "other")
    with pytest.raises(IntegrityError):
        load_bundle(copy, trust=tmp_path / "other.pub")


def test_a_file_that_nobody_signed_is_noticed(copy: Path, shop: Shop) -> None:
    (copy / "notes.txt").touch()
    with pytest.raises(IntegrityError):
        load_bundle(copy, trust=shop.trust)


def test_a_manifest_signed_by_the_attacker_is_noticed(copy: Path, shop: Shop, tmp_path: Path) -> None:
    create_signing_key(tmp_path / "mine")
    manifest = json.loads((copy / "manifest.json").read_bytes()) | {"min_buyers": 1}
    raw = json.dumps(manifest).encode()
    (copy / "manifest.json").write_bytes(raw)
    (copy / "manifest.sig").write_bytes(read_signing_key(tmp_path / "mine").sign(raw))
    with pytest.raises(IntegrityError):
        load_bundle(copy, trust=shop.trust)


def test_what_nothing_could_load_is_not_sealed(bundle: Bundle, shop: Shop) -> None:
    key = read_signing_key(shop.signing_key)
    assert seal(bundle, key).manifest.version == bundle.manifest.version
    broken = replace(bundle, statistics=bundle.statistics.with_columns(trend=pl.lit(float("nan"))))
    with pytest.raises(ContractError, match="'trend' breaks the contract"):
        seal(broken, key)


def test_a_bundle_of_a_newer_contract_is_refused_and_says_what_to_do(copy: Path, shop: Shop) -> None:
    manifest = json.loads((copy / "manifest.json").read_bytes()) | {"contract": "bundle/3"}
    raw = json.dumps(manifest).encode()
    (copy / "manifest.json").write_bytes(raw)
    (copy / "manifest.sig").write_bytes(read_signing_key(shop.signing_key).sign(raw))
    with pytest.raises(BundleError, match=r"not bundle version 2.*Upgrade this program"):
        load_bundle(copy, trust=shop.trust)
