from __future__ import annotations

import pickle
import stat
from pathlib import Path

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from support.commands import assert_clear_failure, no_leftovers
from support.tastes import Shop, Train

from recsys.errors import BundleError, IntegrityError, OutputError
from recsys.signature import read_public_key, verify
from training.signing import create_signing_key, read_signing_key


@pytest.fixture
def key(tmp_path: Path) -> Path:
    create_signing_key(tmp_path / "key")
    return tmp_path / "key"


def test_the_command_writes_both_halves(tmp_path: Path, train: Train) -> None:
    done = train("keys", "init", "--signing-key", tmp_path / "new" / "key")
    assert done.returncode == 0, done.stderr
    private, public = tmp_path / "new" / "key", tmp_path / "new" / "key.pub"
    assert stat.S_IMODE(private.stat().st_mode) == 0o600
    assert private.read_text(encoding="ascii").startswith("-----BEGIN PRIVATE KEY-----")
    assert public.read_text(encoding="ascii").startswith("-----BEGIN PUBLIC KEY-----")
    assert private.read_text(encoding="ascii").splitlines()[1] not in done.stdout + done.stderr
    assert no_leftovers(tmp_path)


@pytest.mark.parametrize("taken", ["key", "key.pub"])
def test_no_key_is_overwritten(tmp_path: Path, train: Train, taken: str) -> None:
    (tmp_path / taken).write_text("mine", encoding="ascii")
    assert_clear_failure(train("keys", "init", "--signing-key", tmp_path / "key"), taken, "is there already")
    assert [(file.name, file.read_text(encoding="ascii")) for file in tmp_path.iterdir()] == [(taken, "mine")]


def test_a_place_that_cannot_be_written_gets_neither_half(tmp_path: Path) -> None:
    (tmp_path / "key.pub.d").touch()
    with pytest.raises(OutputError):
        create_signing_key(tmp_path / "key.pub.d" / "key")


def test_a_signature_is_of_these_bytes_by_this_key(key: Path, tmp_path: Path) -> None:
    signature = read_signing_key(key).sign(b"manifest")
    trusted = read_public_key(tmp_path / "key.pub")
    verify(trusted, signature, b"manifest", where="test")
    with pytest.raises(IntegrityError):
        verify(trusted, signature, b"manifesT", where="test")
    with pytest.raises(InvalidSignature):
        trusted.verify(signature, b"manifest")  # a signature of the bare bytes would serve another purpose too


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o610])
def test_a_key_that_others_can_read_is_refused(shop: Shop, tmp_path: Path, train: Train, key: Path, mode: int) -> None:
    key.chmod(mode)
    done = train("fit", *shop.options(tmp_path / "models", **{"signing-key": key}))
    assert_clear_failure(done, str(key), "read by others", f"chmod 600 {key}")
    assert not (tmp_path / "models").exists()


def test_what_is_no_signing_key_is_refused(tmp_path: Path, key: Path) -> None:
    other = generate_private_key(SECP256R1()).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    for content in (b"", b"nonsense", other, (tmp_path / "key.pub").read_bytes()):
        key.write_bytes(content)
        with pytest.raises(BundleError, match="not an Ed25519 private key"):
            read_signing_key(key)
    with pytest.raises(BundleError, match="keys init"):
        read_signing_key(tmp_path / "nowhere")


def test_a_key_is_neither_shown_nor_pickled(key: Path) -> None:
    secret = read_signing_key(key)
    assert repr(secret) == str(secret) == "SigningKey(…)"
    with pytest.raises(TypeError):
        pickle.dumps(secret)
