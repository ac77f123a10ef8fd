"""`recsys-train list | show | promote | rollback | verify | diff | prune`: the registry in `models/`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.markup import escape
from rich.table import Table

from recsys.amounts import amount
from recsys.bundle import load_bundle
from recsys.console import now, print_json, say, screen, warn
from recsys.contracts.manifest import CARD_FILE, Manifest
from recsys.errors import BundleError, RecsysError, UsageError
from recsys.registry import bundle_names, bundle_versions, current_version, is_version, read_manifest
from training import options
from training.registry.diff import changes
from training.registry.gates import MARGIN
from training.registry.journal import Move, moves
from training.registry.moving import Evidence, Place, promote, rollback
from training.registry.pruning import prune, to_prune
from training.registry.writing import check_name

_Name = Annotated[str, typer.Option("--name", help="The bundle's name")]
_Version = Annotated[str, typer.Option("--version", help="Which of its versions")]


class Listed(msgspec.Struct, frozen=True, kw_only=True):
    """A version, as `list` tells it; `readable` is false where the manifest is not one that this program knows."""

    name: str
    version: str
    current: bool
    readable: bool
    until: str | None
    level: str | None
    subjects: int | None


def list_command(*, models: options.Models, json: options.Json = False) -> None:
    """List all bundles and which of them serve. Signatures are not checked: see `verify`.

    Example: `recsys-train list --models models`
    """
    found = [
        _listed(models / name, version) for name in bundle_names(models) for version in bundle_versions(models / name)
    ]
    table = _table(str(models), ("name", "version", "serves", "learned until", "level", "subjects"))
    for one in found:
        until = one.until or "not readable by this program"
        subjects = "" if one.subjects is None else f"{one.subjects:,}"
        table.add_row(one.name, one.version, "current" if one.current else "", until, one.level or "", subjects)
    screen.print(table)
    if json:
        print_json(found)


def show_command(
    *,
    models: options.Models,
    name: _Name,
    version: Annotated[str | None, typer.Option("--version", help="Which; the current")] = None,
    json: options.Json = False,
) -> None:
    """Show the card of a version and how it came to serve. Its signature is not checked: see `verify`.

    Example: `recsys-train show --models models --name grocery`
    """
    folder = _folder(models, name)
    shown = _chosen(folder, version or current_version(folder))
    manifest = read_manifest(folder / shown)
    own = [move for move in moves(folder) if shown in {move.version, move.before}]
    if json:
        print_json({"manifest": manifest, "moves": own})
        return
    typer.echo((folder / shown / CARD_FILE).read_text(encoding="utf-8"))
    for move in own:
        say(_told(move))


def promote_command(  # noqa: PLR0913 - a command's options are its arguments
    *,
    models: options.Models,
    name: _Name,
    version: _Version,
    trust: options.Trust,
    results: Annotated[
        list[Path] | None, typer.Option("--results", help="ranking.json of it, and of what serves, on the same windows")
    ] = None,
    release: Annotated[
        Path | None, typer.Option("--release", help="The release or dataset it was learned from")
    ] = None,
    margin: Annotated[
        float, typer.Option("--margin", min=0, max=1, help="The share of NDCG that may be lost")
    ] = MARGIN,
    force: Annotated[bool, typer.Option("--force", help="Although a gate stands in the way; needs --reason")] = False,
    reason: Annotated[str | None, typer.Option("--reason", help="Why it is forced; written down")] = None,
    json: options.Json = False,
) -> None:
    """Let a version serve, if it passes: parity, its release, and no worse a ranking than what serves now.

    Example: `recsys-train promote --models models --name grocery --version 20171127-c425fc80 --trust S.pub
    --results new/ranking.json --results current/ranking.json --release release`
    """
    if force and not (reason or "").strip():
        raise UsageError("needs --reason, which is written down", where="--force", mend="Say why")
    folder = _folder(models, name)
    evidence = Evidence(tuple(results or ()), release, margin, reason if force else None)
    move = promote(Place(folder, trust), _chosen(folder, version), evidence, now=now())
    _tell(move, name, json=json)


def rollback_command(
    *,
    models: options.Models,
    name: _Name,
    trust: options.Trust,
    version: Annotated[str | None, typer.Option("--version", help="Which; the one that served before")] = None,
    reason: Annotated[str | None, typer.Option("--reason", help="Why; written down")] = None,
    json: options.Json = False,
) -> None:
    """Let the version serve again that served before. It is verified; no gate is asked.

    Example: `recsys-train rollback --models models --name grocery --trust S.pub --reason "complaints from the tills"`
    """
    folder = _folder(models, name)
    chosen = None if version is None else _chosen(folder, version)
    _tell(rollback(Place(folder, trust), chosen, reason, now=now()), name, json=json)


def verify_command(
    *,
    models: options.Models,
    trust: options.Trust,
    name: Annotated[str | None, typer.Option("--name", help="Only this one")] = None,
    json: options.Json = False,
) -> None:
    """Check the signature and every byte of all versions, and that what `current` names is there.

    Ends with status 1 where one is not what the key signed.

    Example: `recsys-train verify --models models --trust S.pub`
    """
    wrong: dict[str, str] = {}
    checked = 0
    for one in (name,) if name else bundle_names(models):
        folder = _folder(models, one)
        versions = bundle_versions(folder)
        if (current := current_version(folder)) is not None and current not in versions:
            wrong[f"{one}/current"] = "names a version that is not there"
        for version in versions:
            checked += 1
            try:
                load_bundle(folder / version, trust=trust)
            except RecsysError as error:
                wrong[f"{one}/{version}"] = str(error)
    for what, told in wrong.items():
        warn(f"{what}: {told}")
    if json:
        print_json({"checked": checked, "wrong": wrong})
    if wrong:
        raise BundleError(
            f"{len(wrong)} of {checked} are not what this key signed", where=str(models), mend="See above"
        )
    say(f"{amount(checked, 'version is', 'versions are')} what this key signed.")


def diff_command(
    *,
    models: options.Models,
    name: _Name,
    trust: options.Trust,
    before: Annotated[str, typer.Option("--from", help="A version")],
    after: Annotated[str, typer.Option("--to", help="Another")],
    json: options.Json = False,
) -> None:
    """Say what is different between two versions.

    Example: `recsys-train diff --models models --name grocery --trust S.pub --from 20171030-1f2e3d4c
    --to 20171127-c425fc80`
    """
    folder = _folder(models, name)
    old, new = (load_bundle(folder / _chosen(folder, version), trust=trust) for version in (before, after))
    found = changes(old, new)
    table = _table(f"{name}: from {before} to {after}", ("part", "what", "before", "after"))
    for change in found:
        table.add_row(change.part, escape(change.name), escape(change.before or ""), escape(change.after or ""))
    screen.print(table)
    if json:
        print_json(found)


def prune_command(
    *,
    models: options.Models,
    name: _Name,
    keep: Annotated[int, typer.Option("--keep", min=1, help="How many of the newest stay")] = 5,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would go")] = False,
    json: options.Json = False,
) -> None:
    """Delete old versions; never the current one, nor the one that a rollback would lead to.

    Example: `recsys-train prune --models models --name grocery --keep 3 --dry-run`
    """
    folder = _folder(models, name)
    gone = to_prune(folder, keep=keep) if dry_run else prune(folder, keep=keep)
    what = f"{'Would delete' if dry_run else 'Deleted'} {amount(len(gone), 'version')}"
    say(f"{what}{': ' if gone else ''}{', '.join(gone)}.")
    if json:
        print_json({"deleted": () if dry_run else gone, "kept": bundle_versions(folder)})


def _listed(folder: Path, version: str) -> Listed:
    manifest: Manifest | None
    try:
        manifest = read_manifest(folder / version)
    except RecsysError:
        manifest = None
    return Listed(
        name=folder.name,
        version=version,
        current=current_version(folder) == version,
        readable=manifest is not None,
        until=manifest.data.until.isoformat() if manifest else None,
        level=manifest.level.value if manifest else None,
        subjects=manifest.data.subjects if manifest else None,
    )


def _folder(models: Path, name: str) -> Path:
    check_name(name)
    folder = models / name
    if not folder.is_dir():
        raise BundleError("no such bundle", where=str(folder), mend="See which there are: recsys-train list --models …")
    return folder


def _chosen(folder: Path, version: str | None) -> str:
    """A version that is there: what was typed never leads to another folder."""
    if version is None or not is_version(version) or version not in bundle_versions(folder):
        raise BundleError("has no such version", where=str(folder), mend="See which there are: recsys-train list")
    return version


def _tell(move: Move, name: str, *, json: bool) -> None:
    for gate in move.gates:
        say(f"{'✓' if gate.passed else '✗'} {gate.name}: {gate.found}")
    if move.forced:
        warn(f"Forced: {move.reason}")
    say(f"{name}/{move.version} serves from now on; before it {move.before or 'nothing'} did.")
    if json:
        print_json(move)


def _told(move: Move) -> str:
    forced = ", forced" if move.forced else ""
    reason = f": {move.reason}" if move.reason else ""
    return f"{move.at:%Y-%m-%d %H:%M} {move.action} {move.version}, before it {move.before}{forced}{reason}"


def _table(title: str, columns: tuple[str, ...]) -> Table:
    table = Table(title=escape(title), title_justify="left")
    for column in columns:
        table.add_column(column)
    return table
