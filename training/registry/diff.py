"""What is different between two versions, from their manifests and vocabularies."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from recsys.bundle import Bundle
from recsys.contracts.manifest import Manifest


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that is different; null: it is not there."""

    part: str
    name: str
    before: str | None
    after: str | None


def changes(before: Bundle, after: Bundle) -> tuple[Change, ...]:
    """What changed from one version to another, in the order of the manifest; what items came and went, as counts."""
    old, new = _parts(before.manifest), _parts(after.manifest)
    found = [
        Change(part=part, name=name, before=old[part].get(name), after=now.get(name))
        for part, now in new.items()
        for name in dict.fromkeys([*old[part], *now])
        if old[part].get(name) != now.get(name)
    ]
    was, are = set(before.vocabulary.names), set(after.vocabulary.names)
    if was != are:
        found += [
            Change(part="items", name="came", before=None, after=f"{len(are - was):,}"),
            Change(part="items", name="went", before=f"{len(was - are):,}", after=None),
        ]
    return tuple(found)


def _parts(manifest: Manifest) -> dict[str, dict[str, str]]:
    fields = msgspec.to_builtins(manifest)
    top = {name: fields[name] for name in ("contract", "level", "min_buyers", "seed")}
    named = ("data", "configuration", "parity", "metrics", "privacy", "libraries", "files")
    return {"bundle": _told(top)} | {name: _told(fields[name]) for name in named}


def _told(values: Mapping[str, object]) -> dict[str, str]:
    return {name: f"{value:.6g}" if isinstance(value, float) else str(value) for name, value in values.items()}
