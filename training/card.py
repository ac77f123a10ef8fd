"""The model card: what a person should know before using a bundle, all of it from the manifest."""

from __future__ import annotations

from recsys.amounts import amount
from recsys.contracts.manifest import Level, Manifest
from training.bars import BAR, SUBJECTS

_CONSENT = {
    "training": "only people who agreed to `training` were learned from",
    "assumed": "**assumed**: no subjects file was given, so everyone was learned from on the caller's word",
}
_MEMBERSHIP = f"""\
How well somebody who holds whole histories tells who was learned from, areas under the curve; 0.5 is a coin. From
{SUBJECTS:,} people on *membership auc* is held to {BAR:g}: it is that of ranks by the *factors* or, where those by
*popularity* (how many bought each item) tell more than {BAR:g} too, what the factors add to them, *beyond*. Elsewhere
*beyond* is held to nothing: it is about what is reached by whoever also uses the item statistics."""


def card(manifest: Manifest) -> str:
    """Render `card.md`."""
    data = manifest.data
    return f"""# {manifest.name} {manifest.version}

Scores {"categories of items" if manifest.level is Level.TYPE else "items"} for a purchase history that it is given,
by matrix factorization with fold-in and a ranker over habits, popularity and the factorization. It holds factors of
items, a small network and statistics over people; no row about a person.

## Data

| | |
|---|---|
| window | {data.first_day} up to, not including, {data.until} |
| subjects | {data.subjects:,} |
| receipt lines | {data.purchases:,} |
| tokens | domain `{data.domain}`, epoch `{data.epoch}` |
| release | {_hash(data.release, "none: the purchases came without one")} |
| fingerprint of the files | `{data.fingerprint}` |
| consent | {_CONSENT[data.consent]} |
| never-items dropped by policy | {_hash(data.guard_policy, "no policy was given")} |

## Configuration

{_table(manifest.configuration | {"level": manifest.level.value, "seed": manifest.seed})}

## Parity

The graph against the model in double precision: largest absolute differences on histories that nobody learned from,
made of real ones.

{_table(manifest.parity)}

## Quality

{_quality(manifest)} Judge it with `recsys-evaluate ranking` on a window that begins at {data.until} or later.

## Privacy

{_table(manifest.privacy)}

{_MEMBERSHIP}

Items with fewer than {manifest.min_buyers} buyers are not in it. Someone who holds a person's whole history and these
factors may still guess whether the person was learned from; strong regularisation makes the guess poor, not
impossible. Erasing a person from the purchases does not change a bundle that was fitted before.

## Not to be used

- as a decision: its scores pass the guards first, or `never` and *only if purchased* mean nothing;
- to infer health, religion, pregnancy or any other trait of a person from their scores;
- for prices, credit, insurance or access to anything that people need;
- for people who did not consent to `profiling`, or with a history dated after the request;
- at another retailer, or long after {data.until}: popularity and assortment move on.

## Made with

{_table(manifest.libraries)}
"""


def _table(rows: dict[str, str] | dict[str, float] | dict[str, str | int | float | bool]) -> str:
    lines = [f"| {name.replace('_', ' ')} | {_shown(value)} |" for name, value in rows.items()]
    return "\n".join(["| | |", "|---|---|", *lines])


def _shown(value: str | float) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _quality(manifest: Manifest) -> str:
    if not manifest.metrics:
        return "Not measured by `fit`."
    figures = ", ".join(f"{name.replace('_', ' ')} {value:.4f}" for name, value in manifest.metrics.items())
    people = manifest.configuration.get("trial_people")
    fewer = f" The trials learned from {people:,} people at most, what is in the bundle from all." if people else ""
    trials = amount(len(manifest.trials), "trial")
    return (
        f"The factorization alone, on the newest examples, which chose its settings in {trials}: {figures}.{fewer} "
        "The whole is not measured by `fit`."
    )


def _hash(sha256: str | None, otherwise: str) -> str:
    return f"`{sha256}`" if sha256 else otherwise
