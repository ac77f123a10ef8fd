"""What a version has to show before it may serve: parity, where it came from, and that it ranks no worse."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from recsys.bundle import Bundle
from recsys.contracts.dataset import dataset_in
from recsys.contracts.release import RELEASE_FILE
from recsys.evaluation.bundle_runs import seal_of
from recsys.evaluation.results import RankingResult
from recsys.files import sha256_of
from training.parity import agrees
from training.registry.journal import Gate

MARGIN: Final = 0.02  # of the current bundle's NDCG: about what a season moves it by


def gates(
    candidate: Bundle, current: Bundle | None, results: Sequence[RankingResult], release: Path | None, *, margin: float
) -> tuple[Gate, ...]:
    """Ask everything; all must have passed for a promotion that is not forced.

    Args:
        candidate: To be promoted.
        current: What serves now; None: nothing, or the candidate itself.
        results: `ranking.json` of both on the same windows.
        release: The release or dataset that the candidate was learned from.
        margin: How much worse than the current one it may rank, as a share, at each task.
    """
    return (_parity(candidate), _lineage(candidate, release), _quality(candidate, current, results, margin))


def _parity(candidate: Bundle) -> Gate:
    figures = candidate.manifest.parity
    told = ", ".join(f"{name.replace('_', ' ')} {figure:.2g}" for name, figure in figures.items())
    return Gate(name="parity", passed=bool(figures) and agrees(figures), found=told or "no figures in the manifest")


def _lineage(candidate: Bundle, release: Path | None) -> Gate:
    """Whether the release report that the manifest names is at hand."""
    learned_from = candidate.manifest.data.release
    if learned_from is None:
        found = "it was learned from purchases that came without a release"
    elif release is None:
        found = "no release was named"
    elif _report_of(release) != learned_from:
        found = "the release that was named is not the one that it was learned from"
    else:
        return Gate(name="release", passed=True, found=learned_from)
    return Gate(name="release", passed=False, found=found)


def _report_of(release: Path) -> str | None:
    """What a manifest calls a release (a folder, or its `release.json`) or a dataset of purchases."""
    dataset = dataset_in(release)
    if dataset is not None:
        return dataset.fingerprint
    report = release / RELEASE_FILE if release.is_dir() else release
    return sha256_of(report) if report.is_file() else None


def _quality(candidate: Bundle, current: Bundle | None, results: Sequence[RankingResult], margin: float) -> Gate:
    """The candidate's NDCG against the current one's, at each task, as the mean of the same windows."""
    own = _result(results, candidate)
    if isinstance(own, str):
        return _failed(own)
    on = f"on the purchases {own.purchases.fingerprint}"
    if current is None:
        return Gate(name="quality", passed=True, found=f"judged {on}; nothing serves yet that it could be worse than")
    other = _result(results, current)
    if isinstance(other, str):
        return _failed(f"of what serves: {other}")
    if _judged_on(own) != _judged_on(other):
        return _failed("the two results are not of the same purchases, windows, split and level")
    mine, theirs = _ndcg(own), _ndcg(other)
    if not mine or mine.keys() != theirs.keys():
        return _failed("the two results are not of the same tasks")
    told = "; ".join(f"{task} {mine[task]:.4f} against {theirs[task]:.4f}" for task in mine)
    passed = all(mine[task] >= (1 - margin) * theirs[task] for task in mine)
    return Gate(name="quality", passed=passed, found=f"{told}, {on}; {100 * margin:g} % may be lost")


def _failed(found: str) -> Gate:
    return Gate(name="quality", passed=False, found=found)


def _result(results: Sequence[RankingResult], bundle: Bundle) -> RankingResult | str:
    """The result that is about these very bytes, judged on what they have not seen; or why there is none."""
    version, data = bundle.model_version, bundle.manifest.data
    found = [result for result in results if result.run.candidate == version]
    if not found:
        return f"no result of {version}"
    result = found[-1]
    if result.run.bundle != seal_of(bundle):
        return f"the result of {version} is of other bytes than those that are here"
    if result.purchases.domain != data.domain:
        return f"the result of {version} is of purchases of domain {result.purchases.domain}, not {data.domain}"
    if any(judged.window.as_of < data.until for judged in result.windows):
        return f"the result of {version} is of a window that it was trained on"
    return result


def _judged_on(result: RankingResult) -> tuple[object, ...]:
    """What has to be the same for two results to be compared."""
    windows = [judged.window for judged in result.windows]
    return result.purchases.fingerprint, windows, result.run.split, result.run.k, result.run.level


def _ndcg(result: RankingResult) -> dict[str, float]:
    """By task: of the candidate, over everyone with a history."""
    wanted = (None, "all", result.run.name, "ndcg")
    return {f.task: f.estimate.mean for f in result.figures if (f.window, f.segment, f.model, f.metric) == wanted}
