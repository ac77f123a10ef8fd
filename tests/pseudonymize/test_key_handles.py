from __future__ import annotations

import copy
import pickle
import traceback

import numpy as np
import pytest
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from hypothesis import assume, given
from hypothesis import strategies as st

from pseudonymize.keys import BlockKey, Label, Purpose, RootSecret, VaultError, WrappingKey

SECRET = b"canary-key-of-thirty-two-bytes!!"
HANDLES = [kind(SECRET) for kind in (BlockKey, RootSecret, WrappingKey)]
LABEL = Label(purpose=Purpose.LOG, epoch="01")
BLOCKS = np.arange(8, dtype=np.uint64).reshape(4, 2)


@pytest.mark.parametrize("handle", HANDLES)
def test_a_handle_shows_nothing(handle: BlockKey) -> None:
    error = ValueError(handle)
    shown = [repr(handle), str(handle), f"{handle}", f"{handle!r}", f"{[handle]}", *traceback.format_exception(error)]
    for text in shown:
        assert "canary" not in text
        assert SECRET.hex() not in text
    with pytest.raises(TypeError):
        vars(handle)


@pytest.mark.parametrize("handle", HANDLES)
@pytest.mark.parametrize("use", [pickle.dumps, copy.copy, copy.deepcopy, hash, bytes, lambda key: key == key])  # noqa: PLR0124 - that is refused too
def test_a_handle_cannot_be_pickled_copied_hashed_or_compared(handle: BlockKey, use: object) -> None:
    with pytest.raises(TypeError) as caught:
        use(handle)
    assert "canary" not in str(caught.value)


def test_subkeys_are_hkdf_over_the_label() -> None:
    derived = HKDF(algorithm=SHA256(), length=32, salt=None, info=LABEL.encoded()).derive(SECRET)
    expected = BlockKey(derived).encrypt_blocks(BLOCKS)
    assert (RootSecret(SECRET).derive(LABEL).encrypt_blocks(BLOCKS) == expected).all()


labels = st.builds(
    Label, purpose=st.sampled_from(Purpose), field=st.text(), domain=st.text(), epoch=st.text(), canonical=st.text()
)


@given(labels, labels)
def test_two_labels_never_encode_alike(one: Label, other: Label) -> None:
    assume(one != other)
    assert one.encoded() != other.encoded()


def test_moving_a_letter_between_parts_changes_the_key() -> None:
    one, other = (
        Label(purpose=Purpose.LOG, field="ab", domain="c", epoch="01"),
        Label(purpose=Purpose.LOG, field="a", domain="bc", epoch="01"),
    )
    root = RootSecret(SECRET)
    assert (root.derive(one).encrypt_blocks(BLOCKS) != root.derive(other).encrypt_blocks(BLOCKS)).any()


def test_a_root_comes_back_from_its_wrapping_only_with_the_right_key_and_bytes() -> None:
    key = WrappingKey(SECRET)
    wrapped = key.new_root()
    once, twice = (key.unwrap(wrapped, where="v").derive(LABEL).encrypt_blocks(BLOCKS) for _ in range(2))
    assert (once == twice).all()
    for position in range(len(wrapped)):
        changed = bytearray(wrapped)
        changed[position] ^= 1
        with pytest.raises(VaultError, match="damaged"):
            key.unwrap(bytes(changed), where="v")
    for other, text in ((WrappingKey(SECRET[::-1]), wrapped), (key, wrapped[:-8]), (key, b"")):
        with pytest.raises(VaultError, match="damaged"):
            other.unwrap(text, where="v")
