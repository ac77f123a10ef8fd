"""One shopper from till and web to the dataset and back, by the real commands; nothing of a person is said or left."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from support.channels import ADA_CARD, ADA_MAIL, BERT_CARD, CLEO_CARD, IDENTIFIERS, write_channels
from support.commands import assert_clear_failure, run
from support.releases import bytes_of, rows_of
from support.search import contents, found

pytestmark = pytest.mark.slow  # processes


class Chain:
    """The commands of one retailer; what they said is kept, to be searched."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.said = folder, ""
        self.files = write_channels(folder / "raw")
        self.raw = [self.files[name] for name in ("customers", "accounts", "receipts", "orders")]
        self.out = folder / "out"
        self.out.mkdir()

    def gate(self, *words: object, stdin: str = "") -> str:
        keys = words[0] == "keys"
        options = ("--vault", self.folder / "vault", *(() if keys else ("--fields", self.files["policy"])))
        return self._told(run("pseudonymize", *words, *options, stdin=stdin))

    def train(self, *words: object) -> str:
        return self._told(run("training", *words, "--purchases", self.out / "dataset"))

    def orders(self, number: int) -> Path:
        return self.folder / "vault" / "links" / "orders" / f"{number:06}"

    def _told(self, done: subprocess.CompletedProcess[str]) -> str:
        assert done.returncode == 0, done.stderr
        self.said += done.stdout + done.stderr
        return done.stdout


@pytest.fixture
def chain(tmp_path: Path) -> Chain:
    chain = Chain(tmp_path)
    chain.gate("keys", "init")
    return chain


def test_two_channels_meet_and_an_erasure_by_e_mail_removes_what_was_bought_by_card(chain: Chain) -> None:
    out = chain.out
    chain.gate("run", "--out", out / "release", *chain.raw)
    chain.train("append", out / "release")
    bought = rows_of(out / "dataset", "purchases").group_by("subject").len()["len"]
    assert sorted(bought) == [1, 1, 1, 2, 2]
    assert json.loads(chain.gate("link", "--json", *chain.raw))["linked_people"] == 2
    chain.train("relink", chain.orders(1) / "training.parquet", "--out", out / "relinked.json")
    ada = chain.gate("token", "--field", "email", stdin=f"{ADA_MAIL}\n").strip()
    items = rows_of(out / "dataset", "purchases").filter(subject=ada)["item"].to_list()
    assert sorted(items) == ["beer", "bread", "milk", "wine"]
    (subject,) = rows_of(out / "dataset", "subjects").filter(subject=ada)["consents"].to_list()
    assert subject == []  # each file lacks what the other one has; the next release says what both agreed to
    chain.gate("unlink", "--field", "loyalty_card", *chain.raw[2:], stdin=f"{BERT_CARD}\t{CLEO_CARD}\n")
    chain.train("relink", chain.orders(2) / "training.parquet", "--out", out / "parted.json")
    assert rows_of(out / "dataset", "purchases")["subject"].n_unique() == 4
    chain.gate("forget", "--field", "email", "--out", out / "orders", stdin=f"{ADA_MAIL}\n")
    (out / "models").mkdir()
    receipt = ("--models", out / "models", "--out", out / "erased.json")
    chain.train("forget", out / "orders" / "training.json", *receipt)
    assert json.loads((out / "erased.json").read_text())["deleted"]["purchases"] == 4
    assert ada.encode() not in bytes_of(out / "dataset")
    spoken = chain.said.encode()
    assert found(contents(out) + contents(chain.folder / "vault" / "links" / "orders") + spoken, IDENTIFIERS) == []
    assert found(contents(chain.folder / "raw"), IDENTIFIERS)  # the control


def test_two_links_at_once_lose_nothing(chain: Chain) -> None:
    words = ["--vault", chain.folder / "vault", "--fields", chain.files["policy"]]
    together = [
        subprocess.Popen(  # noqa: S603 - our own command
            [sys.executable, "-m", "pseudonymize", "link", *map(str, [*words, chain.files[name]])],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        for name in ("customers", "accounts")
    ]
    for process in together:
        _, said = process.communicate(timeout=300)
        assert process.returncode == 0, said.decode()
    done = json.loads(chain.gate("link", "--json", chain.files["customers"], chain.files["accounts"]))
    assert (done["links"], done["people"], done["orders"]) == (5, 4, None)
    assert chain.orders(1).is_dir()


def test_what_is_no_pair_is_refused_and_not_repeated(chain: Chain) -> None:
    words = ("unlink", "--vault", chain.folder / "vault", "--fields", chain.files["policy"], "--field", "loyalty_card")
    done = run("pseudonymize", *words, stdin=f"{ADA_CARD}\n")
    assert_clear_failure(done, "line 1 is no pair")
    assert found(done.stderr.encode(), IDENTIFIERS) == []
