"""`recsys-evaluate policy replay`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from recsys.amounts import amount
from recsys.console import parse_day, say, today
from recsys.errors import UsageError
from recsys.evaluation import options
from recsys.evaluation.batch import Question
from recsys.evaluation.bundle_runs import check_unseen
from recsys.evaluation.inputs import People, Shop
from recsys.evaluation.policy_lab.lab import Lab
from recsys.evaluation.policy_lab.lab_options import Horizon, LabPolicy, LabSeed, read_policy
from recsys.evaluation.policy_lab.pages.page import publish
from recsys.evaluation.policy_lab.pages.replay_page import replay_report
from recsys.evaluation.policy_lab.replay import replay as replayed
from recsys.files import write_text


def replay(  # noqa: PLR0913, PLR0917 - a command's options are its arguments
    policy: LabPolicy,
    bundle: options.Bundle,
    trust: options.Trust,
    purchases: options.Purchases,
    subjects: options.Subjects,
    catalogue: options.Catalogue,
    offers: options.Offers,
    as_of: options.AsOf,
    out: Annotated[Path, typer.Option("--out", help="Folder for replay.json and replay.html.")],
    against: Annotated[Path | None, typer.Option("--against", help="Another policy, to hold beside the first.")] = None,
    changed: Annotated[
        Path | None,
        typer.Option("--changed", help="With --against: a file for the tokens of those whose lists differ."),
    ] = None,
    horizon: Horizon = 28,
    state: options.StateFile = None,
    channel: options.Channel = "email",
    placement: options.Placement = None,
    k: options.Count = 10,
    seed: LabSeed = 0,
    json: options.Json = False,  # noqa: FBT002 - a flag of the command line
) -> None:
    """Replay a policy over real histories: what it withholds, what it costs, who gets short lists.

    Lists are judged on what was bought in the days from --as-of on, so the bundle must have seen nothing of them.

    Example: `recsys-evaluate policy replay grocery.toml --against strict.toml --bundle models/grocery --trust S.pub
    --purchases release --subjects release/subjects.parquet --catalogue catalogue.parquet --offers offers.parquet
    --as-of 2017-11-27 --out replay`
    """
    if changed is not None and against is None:
        raise UsageError("means nothing without --against", where="--changed", mend="Name the other policy as well")
    question = Question(channel, k, placement, parse_day(as_of, option="--as-of"))
    shop = Shop(bundle, trust, policy, catalogue, offers).open()
    check_unseen(shop.scorer.bundle, question.day)
    policies = [read_policy(shop, path) for path in (policy, against) if path is not None]
    lab = Lab.of(shop, People(purchases, subjects, state).read(today=today()), question)
    found = replayed(lab, policies, horizon=horizon, seed=seed)
    publish(out, "replay", found.result, replay_report(found.result), json=json)
    if changed is not None:
        tokens = [subject for subject, differs in zip(lab.subjects, found.changed.tolist(), strict=True) if differs]
        write_text(changed, "".join(f"{token}\n" for token in tokens), mode=0o600)
        say(f"{changed} holds the tokens of {amount(len(tokens), 'subject')}: personal data.")
