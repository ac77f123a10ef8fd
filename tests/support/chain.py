"""The whole chain on a part of the real data, by the real commands."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from support.commands import succeeded

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "complete_journey"
POLICY = ROOT / "examples" / "policies" / "grocery.toml"
AS_OF = "2017-11-27"


@dataclass(frozen=True)
class Chain:
    """Where each stage's files lie."""

    folder: Path

    @property
    def raw(self) -> Path:
        """What the retailer has."""
        return self.folder / "raw"

    @property
    def vault(self) -> Path:
        """The custodian's."""
        return self.folder / "vault"

    @property
    def release(self) -> Path:
        """What passed the gate."""
        return self.folder / "release"

    @property
    def purchases(self) -> Path:
        """Tokens from here on."""
        return self.release / "purchases.parquet"

    @property
    def subjects(self) -> Path:
        """Their consents."""
        return self.release / "subjects.parquet"

    @property
    def catalogue(self) -> Path:
        """What is sold."""
        return self.raw / "catalogue.parquet"

    @property
    def offers(self) -> Path:
        """What may be sent."""
        return self.raw / "offers.parquet"

    @property
    def models(self) -> Path:
        """Bundles."""
        return self.folder / "models"

    @property
    def bundle(self) -> Path:
        """The current one."""
        return self.models / "grocery"

    @property
    def signing_key(self) -> Path:
        """The trainer's."""
        return self.folder / "signing.key"

    @property
    def trust(self) -> Path:
        """What loaders trust."""
        return self.folder / "signing.key.pub"

    @property
    def state(self) -> str:
        """The server's state, as its commands name it."""
        return f"sqlite:///{self.folder / 'state.db'}"

    def serve_options(self) -> list[object]:
        """The options of `recsys-serve` but for the port."""
        return [
            *("--bundle", self.bundle, "--trust", self.trust, "--guards", POLICY, "--catalogue", self.catalogue),
            *("--offers", self.offers, "--state", self.state, "--now", f"{AS_OF}T09:00:00Z"),
        ]


def build(folder: Path, *, households: int) -> Chain:
    """Run every command of the chain on the receipts of some households."""
    chain = Chain(folder)
    prepare = [EXAMPLE / "prepare.py", "--out", chain.raw, "--households", households]
    subprocess.run([sys.executable, *map(str, prepare)], check=True, capture_output=True, cwd=folder)  # noqa: S603 - the example's script
    guards = ("--guards", POLICY, "--catalogue", chain.catalogue)
    raw = [chain.raw / name for name in ("customers.csv", "receipts.parquet", "redemptions.csv")]
    for module, *arguments in (
        ("pseudonymize", "keys", "init", "--vault", chain.vault),
        (
            *("pseudonymize", "run", "--fields", EXAMPLE / "fields.toml", "--vault", chain.vault, *guards),
            *("--out", chain.release, *raw),
        ),
        ("training", "keys", "init", "--signing-key", chain.signing_key),
        (
            *("training", "fit", "--purchases", chain.purchases, "--subjects", chain.subjects, *guards),
            *("--models", chain.models, "--name", "grocery", "--signing-key", chain.signing_key),
            *("--until", AS_OF, "--level", "type", "--profile", "test", "--json"),
        ),
        (
            *("serving", "load", "--state", chain.state, "--purchases", chain.purchases),
            *("--subjects", chain.subjects, *guards),
        ),
    ):
        done = succeeded(module, *arguments)
        if "--json" in arguments:
            json.loads(done.stdout.splitlines()[-1])
    return chain
