"""A backup that is put back does not bring back who was erased after it was made."""

from __future__ import annotations

import contextlib
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.lines import ANNA, BELA, NOW, event, record
from support.postgres import Postgres
from support.told import filled, settle, settling, told

from recsys.contracts.document import decode_document
from recsys.contracts.erasure import ErasedTokens, ErasureReceipt
from recsys.errors import ContractError
from serving.commands.backup import backup, forget_again
from serving.commands.export import Exported, export
from serving.stores import Store, StoreError, create_store, open_store

ORDER = "0" * 31 + "1"


@pytest.fixture
def lived(store: Store) -> Store:
    """Anna and Bela have a history, Anna a decision and an exposure."""
    filled(store)
    record(store, event(1, (ANNA, "milk", 2, 1)), event(2, (BELA, "milk", 2, 1)))
    store.record([told(3, "exposure")], now=NOW)
    settle(store, settling("d1", "o1"))
    return store


@pytest.fixture
def restored(lived: Store, url: str, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Store]:
    """The state as it was before Anna was erased, and the file that tells who was."""
    if url.startswith("sqlite"):
        lived.backup(tmp_path / "backup.db")
        copy = f"sqlite:///{tmp_path / 'backup.db'}"
    else:
        lived.close()
        server: Postgres = request.getfixturevalue("postgres")
        copy = server.copy(url)
    with contextlib.closing(open_store(url)) as current:
        current.erase([ANNA], order_id=ORDER, now=NOW)
    export(Exported.ERASED, state=url, out=tmp_path / "erased.json")
    (tmp_path / "url").write_text(copy)
    with contextlib.closing(open_store(copy)) as found:
        yield found


def test_whoever_was_erased_since_is_erased_again(restored: Store, tmp_path: Path) -> None:
    assert restored.access(ANNA).held
    forget_again(
        tmp_path / "erased.json", state=(tmp_path / "url").read_text(), out=tmp_path / "receipt.json", json=False
    )
    receipt = decode_document((tmp_path / "receipt.json").read_bytes(), ErasureReceipt, where="receipt")
    assert receipt.deleted == {"subjects": 1, "activity": 1, "events": 2, "audit_payloads": 1}
    assert not restored.access(ANNA).held
    assert restored.access(BELA).held
    assert restored.erased([ANNA, BELA]) == {ANNA}
    assert restored.record([told(9, "exposure")], now=NOW).erased == (0,)
    assert restored.audit.verify().faults == ()
    for name in ("erased.json", "receipt.json"):
        assert ANNA not in (tmp_path / name).read_text()


def test_the_same_file_again_is_the_same_receipt(restored: Store, tmp_path: Path) -> None:
    tombstones = decode_document((tmp_path / "erased.json").read_bytes(), ErasedTokens, where="erased")
    first = restored.erase_again(tombstones, order_id=ORDER, now=NOW)
    assert restored.erase_again(tombstones, order_id=ORDER, now=NOW) == first


@pytest.mark.usefixtures("restored")
def test_tombstones_of_another_state_erase_nobody(tmp_path: Path) -> None:
    tombstones = decode_document((tmp_path / "erased.json").read_bytes(), ErasedTokens, where="erased")
    with contextlib.closing(create_store(f"sqlite:///{tmp_path / 'other.db'}")) as other:
        filled(other)
        with pytest.raises(ContractError, match="another state"):
            other.erase_again(tombstones, order_id=ORDER, now=NOW)
        assert other.access(ANNA).held


def test_a_backup_is_its_owners_and_whole(lived: Store, url: str, tmp_path: Path) -> None:
    out = tmp_path / "copy.db"
    if url.startswith("postgresql"):
        with pytest.raises(StoreError, match="pg_dump"):
            backup(url, out)
        assert not out.exists()
        return
    backup(url, out)
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    with contextlib.closing(open_store(f"sqlite:///{out}")) as copy:
        assert copy.access(ANNA) == lived.access(ANNA)
        assert copy.audit.verify().faults == ()
