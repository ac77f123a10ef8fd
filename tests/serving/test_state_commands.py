"""`recsys-serve keys`, `forget`, `audit` and `export`, over every store."""

from __future__ import annotations

import datetime as dt
import json
from contextlib import closing
from pathlib import Path

import msgspec
import polars as pl
import pytest
from support.commands import assert_clear_failure, run
from support.lines import ANNA, BELA, CARA, event, load, people, record
from support.told import NOW, filled, settle, settling, told

from recsys.contracts.audit import DECISIONS, Checkpoint
from recsys.contracts.document import decode_document, encode_document
from recsys.contracts.erasure import ErasureOrder, ErasureReceipt
from recsys.contracts.event import EVENTS
from recsys.contracts.purchases import PURCHASES
from recsys.contracts.release import release_beside
from recsys.contracts.state import SubjectState
from recsys.contracts.subjects import SUBJECTS
from recsys.errors import ContractError, OutputError, RecsysError, TokenError, UsageError
from serving.commands import audit, keys
from serving.commands.export import Exported, export
from serving.commands.forget import forget
from serving.commands.release import release
from serving.stores import Store, open_store
from web.api_keys import digest_of, split


@pytest.fixture
def state(store: Store, url: str) -> str:
    """The URL of a store in which something happened."""
    record(filled(store), event(1, (BELA, "milk", 2, 1)))
    store.record([told(2, "exposure")], now=NOW)
    settle(store, settling("d1", "o1"))
    return url


def order(folder: Path, *subjects: str, recipient: str = "serving", number: int = 1) -> Path:
    path = folder / "order.json"
    made = ErasureOrder(order_id=f"{number:032x}", recipient=recipient, issued_at=NOW, subjects=subjects)
    path.write_bytes(encode_document(made))
    return path


def test_an_order_is_carried_out_and_answered(state: str, tmp_path: Path) -> None:
    out = tmp_path / "receipt.json"
    forget(order(tmp_path, ANNA), state=state, out=out, vacuum=True)
    receipt = decode_document(out.read_bytes(), ErasureReceipt, where="receipt")
    assert (receipt.order_id, receipt.recipient) == (f"{1:032x}", "serving")
    assert receipt.deleted == {"subjects": 1, "activity": 1, "events": 1, "audit_payloads": 1}
    assert ANNA not in out.read_text()
    with closing(open_store(state)) as store:
        assert not store.access(ANNA).held
        assert store.access(BELA).held
    before = out.read_bytes()
    forget(order(tmp_path, ANNA), state=state, out=out)
    assert out.read_bytes() == before


def test_an_order_that_does_not_fit_changes_nothing(state: str, tmp_path: Path) -> None:
    out = tmp_path / "receipt.json"
    for subject, recipient, error, message in (
        (ANNA, "training", ContractError, "for another recipient"),
        (ANNA.replace(".rec.", ".partner."), "serving", TokenError, "of another domain"),
        (ANNA.replace(".01.", ".02."), "serving", TokenError, "holds no token of epoch 01"),
    ):
        with pytest.raises(error, match=message):
            forget(order(tmp_path, subject, recipient=recipient), state=state, out=out)
    assert not out.exists()
    with closing(open_store(state)) as store:
        assert store.access(ANNA).held


def test_keys_are_shown_once(state: str, capsys: pytest.CaptureFixture[str]) -> None:
    keys.create(state=state, scope="decide, events", name="checkout", json=True)
    made = json.loads(capsys.readouterr().out)
    named = split(made["key"])
    assert named is not None
    with closing(open_store(state)) as store:
        (stored,) = store.keys.all()
    assert (stored.key_id, stored.digest) == (made["key_id"], digest_of(named[1]))
    assert (stored.name, stored.scopes) == ("checkout", {"decide", "events"})
    keys.list_keys(state=state, json=True)
    shown = capsys.readouterr()
    assert json.loads(shown.out)[0]["name"] == "checkout"
    assert named[1] not in shown.out + shown.err
    keys.revoke(made["key_id"], state=state)
    with pytest.raises(UsageError, match="no key that holds"):
        keys.revoke(made["key_id"], state=state)
    with pytest.raises(UsageError, match="Scopes are"):
        keys.create(state=state, scope="everything", name="x")
    with pytest.raises(UsageError, match="--name"):
        keys.create(state=state, scope="admin", name="anna.berg@example.org")


def test_the_log_is_verified_checkpointed_pruned_and_exported(state: str, tmp_path: Path) -> None:
    anchor, out = tmp_path / "checkpoint.json", tmp_path / "decisions.parquet"
    audit.checkpoint(state=state, out=anchor)
    audit.verify(state=state, anchor=anchor)
    audit.export(state=state, out=out)
    assert DECISIONS.read(out)["decision_id"].to_list() == ["d1"]
    audit.prune(state=state, before="2026-01-01")
    made = decode_document(anchor.read_bytes(), Checkpoint, where="anchor")
    anchor.write_bytes(encode_document(msgspec.structs.replace(made, hash="0" * 64)))
    with pytest.raises(RecsysError, match="the anchor at record 2 does not fit the chain"):
        audit.verify(state=state, anchor=anchor)


def test_everything_is_exported_in_its_contract(state: str, tmp_path: Path) -> None:
    tables = {Exported.SUBJECTS: SUBJECTS, Exported.EVENTS: EVENTS, Exported.PURCHASES: PURCHASES}
    for what, contract in tables.items():
        out = tmp_path / f"{what.value}.parquet"
        export(what, state=state, out=out)
        assert set(contract.read(out)["subject"]) == {ANNA, BELA}
        assert pl.read_parquet_metadata(out)["recsys.contract"] == f"{contract.name}/{contract.version}"
        with pytest.raises(OutputError, match="is not a "):
            export(what, state=state, out=tmp_path / "table.csv")
    export(Exported.STATE, state=state, out=tmp_path / "state.jsonl")
    lines = (tmp_path / "state.jsonl").read_bytes().splitlines()
    assert [decode_document(line, SubjectState, where="state").subject for line in lines] == sorted([ANNA, BELA])
    assert sorted(path.name for path in tmp_path.iterdir() if path.name.startswith(".")) == []


@pytest.mark.slow
def test_the_commands_end_with_the_right_status(tmp_path: Path) -> None:
    path = f"sqlite:///{tmp_path / 'nowhere.db'}"
    assert_clear_failure(run("serving", "audit", "verify", "--state", path), "there is no state here")
    assert_clear_failure(
        run("serving", "export", "everything", "--state", path, "--out", "x"), "an unfit value", status=2
    )
    assert_clear_failure(run("serving", "forget", "--state", path), "is missing", status=2)
    assert not (tmp_path / "nowhere.db").exists()


def test_what_was_reported_becomes_a_release(state: str, tmp_path: Path) -> None:
    """Returns are negative, days are of when the service was told, and nobody who was loaded or erased is in it."""
    with closing(open_store(state)) as store:
        record(store, event(7, (BELA, "milk", 3, -1)))
        record(store, event(8, (CARA, "milk", 3, 1)))
        store.erase([CARA], order_id="0" * 32, now=NOW)
        told_on = pl.concat(list(store.exports.events()))["received"].dt.date().max()
    day = dt.timedelta(days=1)
    release(state=state, since=str(told_on), until=str(told_on + day), out=tmp_path / "release")
    sealed = release_beside(tmp_path / "release")
    assert sealed is not None
    assert (sealed.domain, sealed.epoch, sealed.rows) == ("rec", "01", {"purchases.parquet": 2, "subjects.parquet": 2})
    lines = PURCHASES.read(tmp_path / "release" / "purchases.parquet")
    assert sorted(lines.select("subject", "item", "quantity").iter_rows()) == [
        (BELA, "milk", -1.0),
        (BELA, "milk", 1.0),
    ]
    assert set(SUBJECTS.read(tmp_path / "release" / "subjects.parquet")["subject"]) == {ANNA, BELA}
    with pytest.raises(ContractError, match="holds no purchases"):
        release(state=state, since=str(told_on + day), until=str(told_on + 2 * day), out=tmp_path / "none")
    with pytest.raises(UsageError, match="is not before --until"):
        release(state=state, since=str(told_on), until=str(told_on), out=tmp_path / "none")
    assert not (tmp_path / "none").exists()


def test_a_release_has_the_tokens_of_one_epoch(state: str, tmp_path: Path) -> None:
    with closing(open_store(state)) as store:
        renewed = ANNA.replace(".01.", ".02.")
        load(store, people([(renewed, "beer", 0, 2)], {renewed: ["profiling"]}, epoch="02"))
    with pytest.raises(ContractError, match="2 domains or epochs"):
        release(state=state, since="2000-01-01", until="2100-01-01", out=tmp_path / "release")
