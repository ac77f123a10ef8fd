from __future__ import annotations

import datetime as dt
import re
import resource
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from support.commands import assert_clear_failure, run
from support.tastes import DAYS, FIRST_DAY, ITEMS, NEVER, RARE, REFUSED, SUBJECTS, TYPES, Done, Shop, Train, lines

from recsys.bundle import Bundle, load_bundle
from recsys.contracts.manifest import Level
from recsys.history import ItemIndex, day_number, histories
from recsys.scorer import Scorer
from recsys.top_k import top_k

UNTIL = FIRST_DAY + dt.timedelta(days=DAYS)


def files_of(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir()}


def test_the_last_line_is_what_a_program_reads(fitted: Done, bundle: Bundle) -> None:
    assert fitted.returncode == 0, fitted.stderr
    said = fitted.json
    assert said["version"] == bundle.manifest.version == fitted.bundle.name
    assert re.fullmatch(rf"{UNTIL:%Y%m%d}-[0-9a-f]{{8}}", said["version"])
    assert (said["level"], said["items"], said["subjects"]) == ("type", 12, len(SUBJECTS) - len(REFUSED))
    assert said["parity"] == bundle.manifest.parity
    assert said["parity"]["fold_difference"] <= 1e-5
    assert said["parity"]["score_difference"] <= 1e-4
    assert said["parity"]["batch_difference"] <= 1e-6
    assert said["parity"]["contribution_difference"] <= 1e-4
    assert said["parity"]["same_top"] == 1
    assert said["seconds"] > 0
    assert "--bundle" in fitted.stderr


def test_the_manifest_says_what_it_was_made_from(bundle: Bundle) -> None:
    manifest = bundle.manifest
    assert (manifest.level, manifest.min_buyers, manifest.seed) == (Level.TYPE, 5, 3)
    assert (manifest.data.domain, manifest.data.epoch) == ("rec", "01")
    assert (manifest.data.until, manifest.data.consent) == (UNTIL, "training")
    assert manifest.data.first_day >= FIRST_DAY
    assert manifest.data.release is None
    assert manifest.data.guard_policy is not None
    assert manifest.version in (bundle.path / "card.md").read_text(encoding="utf-8")


def test_a_bundle_ranks_the_taste_it_was_given(bundle: Bundle) -> None:
    scorer = Scorer(bundle)
    index = ItemIndex.of(ITEMS)
    bought = lines([(SUBJECTS[0], ITEMS[item], day, 1.0) for day, item in enumerate((0, 3, 3, 6))])
    folded = scorer.fold(histories(bought, index), scorer.codes(index), as_of=day_number(UNTIL))
    scores = scorer.affinities(folded, np.arange(len(bundle.vocabulary)))[0]
    best = [bundle.vocabulary.names[position] for position in top_k(scores, np.ones(12, np.bool_), 4)]
    assert all("SHELF 0" in name for name in best)
    contributions = scorer.contributions(folded, np.arange(12))[0]
    assert contributions.sum(axis=1) == pytest.approx(scores, abs=1e-5)


def test_the_map_leads_every_item_of_a_known_type_and_no_never_item(bundle: Bundle) -> None:
    assert bundle.item_map is not None
    known = dict(bundle.item_map.select("item", "model_item").iter_rows())
    assert known == dict(zip(ITEMS, TYPES, strict=True)) | {"item-new": TYPES[0]}
    assert RARE not in known
    assert NEVER not in known


def test_statistics_are_of_the_vocabulary(bundle: Bundle) -> None:
    assert bundle.statistics["item"].to_list() == list(bundle.vocabulary.names)
    assert bundle.statistics["buyers"].min() >= 5


def test_what_has_no_category_is_left_out_with_a_warning(fitted: Done) -> None:
    assert "1 item that was bought has no category" in fitted.stderr


def test_without_a_catalogue_items_are_learned_as_they_are(shop: Shop, tmp_path: Path, train: Train) -> None:
    done = train("fit", *shop.options(tmp_path), "--json")
    assert done.returncode == 0, done.stderr
    bundle = load_bundle(tmp_path / "shop", trust=shop.trust)
    assert done.json["level"] == "item"
    assert list(bundle.vocabulary.names) == sorted([*ITEMS, NEVER])
    assert bundle.item_map is None
    assert bundle.manifest.data.consent == "assumed"


def test_fewer_buyers_than_five_keep_an_item_out(shop: Shop, tmp_path: Path, train: Train) -> None:
    one_more = lines([(SUBJECTS[5], RARE, 30, 1.0)])
    pl.concat([pl.read_parquet(shop.purchases), one_more]).write_parquet(tmp_path / "purchases.parquet")
    before = load_bundle(train("fit", *shop.options(tmp_path / "a"), "--json").bundle, trust=shop.trust)
    changed = shop.options(tmp_path / "b", purchases=tmp_path / "purchases.parquet")
    after = load_bundle(train("fit", *changed, "--json").bundle, trust=shop.trust)
    assert RARE not in before.vocabulary.codes
    assert RARE not in before.statistics["item"].to_list()
    assert RARE in after.vocabulary.codes


def test_a_returned_purchase_is_none(shop: Shop, tmp_path: Path, train: Train) -> None:
    frame = pl.read_parquet(shop.purchases)
    bought = lines([(SUBJECTS[1], ITEMS[1], 5, 1.0), (SUBJECTS[1], ITEMS[1], 7, -1.0)])
    pl.concat([frame, bought]).write_parquet(tmp_path / "purchases.parquet")
    plain = train("fit", *shop.options(tmp_path / "a"), "--json").bundle
    returned = train("fit", *shop.options(tmp_path / "b", purchases=tmp_path / "purchases.parquet"), "--json").bundle
    assert (plain / "model.onnx").read_bytes() == (returned / "model.onnx").read_bytes()


def test_the_same_data_and_seed_give_the_same_bytes(fitted: Done, shop: Shop, tmp_path: Path) -> None:
    again = run("training", "fit", *shop.full(tmp_path, seed=3), "--json", OMP_NUM_THREADS="1", POLARS_MAX_THREADS="1")
    assert files_of(Done(0, again.stdout, "").bundle) == files_of(fitted.bundle)


def test_another_seed_is_another_version(fitted: Done, shop: Shop, tmp_path: Path, train: Train) -> None:
    assert train("fit", *shop.full(tmp_path, seed=4), "--json").json["version"] != fitted.json["version"]


def test_a_second_fit_of_the_same_changes_nothing(shop: Shop, tmp_path: Path, train: Train) -> None:
    first = train("fit", *shop.options(tmp_path), "--json")
    before = files_of(first.bundle)
    second = train("fit", *shop.options(tmp_path), "--json")
    assert second.returncode == 0
    assert "there already" in second.stderr
    assert files_of(second.bundle) == before


def test_the_first_version_serves_until_another_is_promoted(shop: Shop, tmp_path: Path, train: Train) -> None:
    first = train("fit", *shop.options(tmp_path, seed=1), "--json")
    second = train("fit", *shop.options(tmp_path, seed=2), "--json")
    assert (tmp_path / "shop" / "current").read_text(encoding="utf-8") == first.json["version"] + "\n"
    assert load_bundle(tmp_path / "shop", trust=shop.trust).manifest.version == first.json["version"]
    assert str(second.bundle) in second.stderr


def test_what_is_dated_on_or_after_until_is_not_used(shop: Shop, tmp_path: Path, train: Train) -> None:
    until = FIRST_DAY + dt.timedelta(days=60)
    pl.read_parquet(shop.purchases).filter(pl.col("day") < until).write_parquet(tmp_path / "early.parquet")
    whole = train("fit", *shop.options(tmp_path / "a", until=until), "--json").bundle
    early = train(
        "fit", *shop.options(tmp_path / "b", until=until, purchases=tmp_path / "early.parquet"), "--json"
    ).bundle
    for name in ("model.onnx", "statistics.parquet", "vocabulary.parquet"):
        assert (whole / name).read_bytes() == (early / name).read_bytes()
    manifest = load_bundle(whole, trust=shop.trust).manifest
    assert manifest.data.until == until
    everything = train("fit", *shop.options(tmp_path / "c"), "--json").bundle
    assert (whole / "model.onnx").read_bytes() != (everything / "model.onnx").read_bytes()


def test_those_who_did_not_agree_change_nothing(shop: Shop, tmp_path: Path, train: Train) -> None:
    frame = pl.read_parquet(shop.purchases)
    frame.filter(~pl.col("subject").is_in(REFUSED)).write_parquet(tmp_path / "agreed.parquet")
    late = lines([(REFUSED[0], ITEMS[0], DAYS + 20, 1.0)])  # must not even move the default of --until
    pl.concat([frame, late]).write_parquet(tmp_path / "all.parquet")
    with_them = train(
        "fit", *shop.options(tmp_path / "a", purchases=tmp_path / "all.parquet", subjects=shop.subjects), "--json"
    ).bundle
    without = train(
        "fit", *shop.options(tmp_path / "b", purchases=tmp_path / "agreed.parquet", subjects=shop.subjects), "--json"
    ).bundle
    everyone = train("fit", *shop.options(tmp_path / "c"), "--json").bundle
    for name in ("model.onnx", "statistics.parquet", "vocabulary.parquet"):
        assert (with_them / name).read_bytes() == (without / name).read_bytes()
    assert (with_them / "model.onnx").read_bytes() != (everyone / "model.onnx").read_bytes()


def test_never_items_are_not_learned(shop: Shop, tmp_path: Path, train: Train) -> None:
    options = {"level": "item", "catalogue": shop.catalogue}
    open_ = load_bundle(train("fit", *shop.options(tmp_path / "a", **options), "--json").bundle, trust=shop.trust)
    guarded = train("fit", *shop.options(tmp_path / "b", **options, guards=shop.guards), "--json").bundle
    assert NEVER in open_.vocabulary.codes
    assert NEVER not in load_bundle(guarded, trust=shop.trust).vocabulary.codes


def test_a_group_with_learn_false_is_not_learned(shop: Shop, tmp_path: Path, train: Train) -> None:
    policy = tmp_path / "policy.toml"
    policy.write_text(f'version = 1\n[groups.quiet]\nitems = ["{ITEMS[0]}"]\nlearn = false\n')
    options = {"level": "item", "catalogue": shop.catalogue, "guards": policy}
    bundle = load_bundle(train("fit", *shop.options(tmp_path / "m", **options), "--json").bundle, trust=shop.trust)
    assert ITEMS[0] not in bundle.vocabulary.codes
    assert ITEMS[1] in bundle.vocabulary.codes


@pytest.mark.parametrize("name", ["Shop", "../shop", "a" * 33, "1st", "", "a/b"])
def test_an_awkward_name_is_refused(shop: Shop, tmp_path: Path, train: Train, name: str) -> None:
    done = train("fit", *shop.options(tmp_path / "models", name=name))
    assert_clear_failure(done, "--name", status=2)
    assert not (tmp_path / "models").exists()


def test_a_place_that_cannot_be_written_is_left_alone(shop: Shop, tmp_path: Path, train: Train) -> None:
    (tmp_path / "file").touch()
    assert_clear_failure(train("fit", *shop.options(tmp_path / "file" / "models")), "cannot be written")


def test_a_full_disk_leaves_nothing(shop: Shop, tmp_path: Path, train: Train) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (8_000, hard))
    try:
        done = train("fit", *shop.options(tmp_path))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert_clear_failure(done, "cannot be written", "Free some space")
    assert list(tmp_path.iterdir()) == []


def test_help_shows_an_example(train: Train) -> None:
    done = train("fit", "--help")
    assert done.returncode == 0
    assert "Example" in done.stdout
