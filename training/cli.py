"""`recsys-train`: learn a bundle, and make the key that signs it."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from recsys.amounts import amount
from recsys.console import new_app, print_json, say, screen, step, today, warn
from recsys.contracts.manifest import Manifest
from recsys.errors import UsageError
from training import options
from training.backtest.cli import backtest_command
from training.budget import Budget, journal_of, kept_until_done, parse_budget
from training.cards.cli import card_command
from training.dataset import Sources, read_dataset
from training.ends import parse_until
from training.export import seal
from training.fit import Options, fit
from training.levels import LevelChoice
from training.plan import Search
from training.profiles import Profile
from training.purchases.cli import append_command, forget_command, rekey_command
from training.purchases.relink_cli import relink_command
from training.refreshing_cli import statistics_command
from training.registry import check_name, serve_if_first, write_bundle
from training.registry import cli as registry
from training.settings import ItemTable, read_settings
from training.signing import create_signing_key, public_half, read_signing_key
from training.tuning_cli import tune_command

app = new_app("Learns bundles from purchases that the identity gate released. Sees no identifier and no token key.")
keys = new_app("The key that signs bundles.")
app.add_typer(keys, name="keys")
app.command("append")(append_command)
app.command("forget")(forget_command)
app.command("rekey")(rekey_command)
app.command("relink")(relink_command)
app.command("backtest")(backtest_command)
app.command("card")(card_command)
app.command("list")(registry.list_command)
app.command("show")(registry.show_command)
app.command("promote")(registry.promote_command)
app.command("rollback")(registry.rollback_command)
app.command("verify")(registry.verify_command)
app.command("diff")(registry.diff_command)
app.command("prune")(registry.prune_command)
app.command("statistics")(statistics_command)
app.command("tune")(tune_command)


@keys.callback()
def _keys() -> None:
    """Keep `init` a command of its own, though it is the only one."""


@keys.command("init")
def init_keys(
    *, signing_key: Annotated[Path, typer.Option(help="Where the private key goes; the public half goes to PATH.pub")]
) -> None:
    """Make an Ed25519 key that signs bundles; whoever loads one names its public half with --trust.

    Example: `recsys-train keys init --signing-key secrets/bundles.pem`
    """
    create_signing_key(signing_key)
    say(f"Private key, for `recsys-train fit` alone: {signing_key}")
    say(f"Public key, for --trust: {public_half(signing_key)}")


@app.command("fit")
def fit_command(  # noqa: PLR0913 - a command's options are its arguments
    *,
    purchases: options.Purchases,
    models: options.Models,
    name: Annotated[str, typer.Option(help="The bundle's name: lower-case letters, digits and hyphens")],
    signing_key: Annotated[Path, typer.Option(help="The private key that `keys init` made")],
    catalogue: options.Catalogue = None,
    subjects: options.Subjects = None,
    guards: options.Guards = None,
    until: options.Until = None,
    level: options.Level = LevelChoice.AUTO,
    profile: Annotated[Profile, typer.Option(help="How much work to do")] = Profile.DEFAULT,
    budget: Annotated[
        str | None, typer.Option(help="Of the search for settings: trials (12) or time (90s, 5m, 2h)")
    ] = None,
    config: Annotated[Path | None, typer.Option(help="Settings that `tune` wrote; nothing is searched then")] = None,
    item_table: Annotated[
        ItemTable | None, typer.Option(help="int8: a smaller bundle, where its lists stay the same; else float32")
    ] = None,
    seed: options.Seed = 0,
    json: options.Json = False,
) -> None:
    """Learn a bundle from purchases, hold its graph against the model, sign it and write it.

    Chooses its settings itself, within a budget; an interrupted search goes on where it was when the same command is
    given again.

    Example: `recsys-train fit --purchases release --catalogue catalogue.csv --models models --name grocery
    --signing-key secrets/bundles.pem`
    """
    started = time.perf_counter()
    check_name(name)
    if budget and config:
        raise UsageError(
            "searches for settings, and --config gives them", where="--budget", mend="Leave one of them out"
        )
    key = read_signing_key(signing_key)
    allowed = parse_budget(budget) if budget else Budget()
    settings = read_settings(config) if config else None
    day = parse_until(until, today=today()) if until else None
    with step("Reading purchases"):
        dataset = read_dataset(Sources(purchases, subjects, catalogue, guards), until=day, today=today())
    journal = journal_of(models / name, dataset.lineage, (level, profile, seed))
    search = Search(settings, allowed.trials, allowed.seconds, journal)
    with kept_until_done(journal):
        fitted = fit(dataset, Options(name, level, profile, seed, search, item_table))
        sealed = seal(fitted.bundle, key)
        folder, new = write_bundle(models, name, sealed.manifest.version, sealed.files)
        current = serve_if_first(models, name, sealed.manifest.version)
    for warning in fitted.warnings:
        warn(warning)
    seconds = time.perf_counter() - started
    _summarise(sealed.manifest, items=len(fitted.bundle.vocabulary), seconds=seconds)
    say(f"{'Written' if new else 'It was there already, byte for byte'}: {folder}")
    say(_how_to_serve(folder, current))
    if json:
        print_json(_as_json(sealed.manifest, folder, items=len(fitted.bundle.vocabulary), seconds=seconds))


def _summarise(manifest: Manifest, *, items: int, seconds: float) -> None:
    data, parity = manifest.data, manifest.parity
    table = Table(title=f"{manifest.name} {manifest.version}", show_header=False, title_justify="left")
    for label, text in {
        "Window": f"{data.first_day} up to, not including, {data.until}",
        "Learned from": f"{data.purchases:,} receipt lines of {data.subjects:,} subjects (consent: {data.consent})",
        "Model items": f"{items:,} at level {manifest.level.value}, each with {manifest.min_buyers} buyers or more",
        "Settings": _settings(manifest),
        **_item_table(manifest),
        "Telling members from others": _members(manifest.privacy),
        "Off the model": f"{parity['score_difference']:.1e} at most, in {parity['histories']:.0f} histories",
        "Time": f"{seconds:.1f} s",
    }.items():
        table.add_row(label, text)
    screen.print(table)


def _members(privacy: dict[str, float]) -> str:
    held, beyond = privacy["membership_auc"], privacy["membership_auc_beyond"]
    return f"AUC {held:.3f}; {beyond:.3f} beyond popularity, for who uses the item statistics too; 0.5 is a coin"


def _settings(manifest: Manifest) -> str:
    chosen = manifest.configuration
    listed = ", ".join(
        f"{name} {chosen[name]}" for name in ("factors", "regularization", "alpha", "transform", "decay")
    )
    tried = f"; {amount(len(manifest.trials), 'trial')}" if manifest.trials else ""
    return f"{listed}; ranker {chosen['ranker']}{tried}"


def _item_table(manifest: Manifest) -> dict[str, str]:
    """What became of it, where int8 was asked for."""
    table, same = manifest.configuration.get("item_table"), manifest.parity.get("int8_overlap")
    if table is None:
        return {}
    found = "not rounded, as the warning says" if same is None else f"rounded, {same:.2%} of the lists stay"
    return {"Item table": f"{table}; {found}"}


def _how_to_serve(folder: Path, current: str) -> str:
    if current == folder.name:
        return f"It is the current version: serve it with --bundle {folder.parent}"
    return f"Version {current} stays current; serve the new one with --bundle {folder}"


def _as_json(manifest: Manifest, folder: Path, *, items: int, seconds: float) -> dict[str, object]:
    return {
        "bundle": str(folder),
        "version": manifest.version,
        "level": manifest.level,
        "items": items,
        "subjects": manifest.data.subjects,
        "parity": manifest.parity,
        "configuration": manifest.configuration,
        "privacy": manifest.privacy,
        "trials": len(manifest.trials),
        "seconds": round(seconds, 3),
    }
