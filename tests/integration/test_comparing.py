"""Two models compared from the store: on the same images, without the training images of the champion."""

import json

import pytest

from tasks.promotion.comparison import compare_in_store
from tasks.records import (
    Box,
    DatasetSnapshot,
    EvaluationReport,
    LabelledImage,
    LabelSource,
    ModelVersion,
    SplitCounts,
    StoredFile,
)
from tasks.storage import keys
from tasks.storage.documents import create_record
from tests.fakes.scores import FILE, scores

BOX = Box(0, 10.0, 10.0, 30.0, 30.0)


def image(name, split, sha256):
    return LabelledImage(
        file_name=name, split=split, sha256=f"{sha256:x}".zfill(64), size=1, width=100, height=100, boxes=(BOX,)
    )


def stored_snapshot(store, *images):
    snapshot = DatasetSnapshot(classes=("cat",), images=images, source=LabelSource(kind="file", name="pets"))
    create_record(store, keys.snapshot(snapshot.digest), snapshot)
    return snapshot


def report(store, tmp_path, snapshot, detected, weights):
    """The report of a model that detects the cats of these images, given by their ids in the split."""
    path = tmp_path / f"{weights}.json"
    path.write_text(json.dumps(
        [{"image_id": n, "category_id": 1, "bbox": [10, 10, 20, 20], "score": 0.9} for n in detected]
    ))  # fmt: skip
    return EvaluationReport(
        weights_sha256=weights * 64, run_key="c" * 64, snapshot_digest=snapshot.digest, split="test",
        counts=SplitCounts(images=4, boxes=4, background=0), scores=scores(0.5),
        detections=store.upload(path, lambda sha256: keys.detections("c" * 64, snapshot.digest, sha256)),
        evaluation=FILE,
    )  # fmt: skip


def champion(snapshot):
    return ModelVersion.model_construct(
        version=3, snapshot_digest=snapshot.digest, weights=StoredFile(key="x", sha256="b" * 64, size=1)
    )


@pytest.fixture
def snapshot(store):
    """Current labels with four test images; the second is a Roboflow copy."""
    names = ("a.jpg", "b_jpg.rf.1.jpg", "c.jpg", "d.jpg")
    tests = [image(name, "test", 10 + number) for number, name in enumerate(names)]
    return stored_snapshot(store, image("t.jpg", "train", 1), *tests)


def test_models_are_compared_on_the_same_images(store, tmp_path, snapshot):
    before = report(store, tmp_path, snapshot, [1, 2], "b")
    after = report(store, tmp_path, snapshot, [1, 2, 3, 4], "a")
    comparison = compare_in_store(store, after, before, champion(snapshot), 0.95, tmp_path / "scratch")
    assert (comparison.champion_version, comparison.sources, comparison.left_out) == (3, 4, 0)
    # Two of four found: recall ends at a half, which 51 of the 101 points of COCO's curve reach.
    assert (comparison.map.before, comparison.map.after) == pytest.approx((51 / 101, 1.0), abs=1e-6)
    assert list((tmp_path / "scratch").iterdir()) == []


def test_training_images_of_the_champion_are_left_out_for_both(store, tmp_path, snapshot):
    old_snapshot = stored_snapshot(
        store, image("b_jpg.rf.2.jpg", "train", 20), image("other.jpg", "train", 12), image("d.jpg", "train", 30)
    )
    before = report(store, tmp_path, snapshot, [2, 3], "b")
    after = report(store, tmp_path, snapshot, [1], "a")
    comparison = compare_in_store(store, after, before, champion(old_snapshot), 0.95, tmp_path / "scratch")
    # Left are a.jpg and d.jpg: a plain name such as d.jpg is used again for other images.
    assert (comparison.sources, comparison.left_out) == (2, 2)
    assert (comparison.map.before, comparison.map.after) == pytest.approx((0.0, 51 / 101), abs=1e-6)


def test_without_an_image_left_there_is_no_comparison(store, tmp_path, snapshot):
    old_snapshot = stored_snapshot(
        store, *(image(one.file_name, "train", int(one.sha256, 16)) for one in snapshot.of_split("test"))
    )
    after, before = (report(store, tmp_path, snapshot, [1], weights) for weights in "ab")
    assert compare_in_store(store, after, before, champion(old_snapshot), 0.95, tmp_path / "scratch") is None
