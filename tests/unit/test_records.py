"""Records: frozen, strict, and identified by the digest of their content."""

import hashlib
import inspect
import json
import math
from typing import Any

import pytest
from pydantic import ValidationError

from tasks import records
from tasks.records import (
    Box,
    DatasetSnapshot,
    EpochResult,
    Finding,
    LabelExport,
    LabelledImage,
    LabelSource,
    ModelFormat,
    ModelFormats,
    Part,
    Record,
    RetrainRequest,
    Scores,
    TrainingSpec,
)
from tests.fakes.scores import scores

SHA = "c" * 64
SPEC: dict[str, Any] = {
    "snapshot_digest": SHA, "classes": ("猫", "dog"), "variant": "s", "epochs": 3, "image_size": 64, "batch_size": 2,
    "learning_rate": 5e-4, "patience": 10, "seed": 1,
}  # fmt: skip
IMAGE = LabelledImage(
    file_name="a.jpg", split="train", sha256=SHA, size=1, width=9, height=9, boxes=(Box(0, 0.5, 0, 3, 4),)
)
SNAPSHOT = DatasetSnapshot(classes=("cat",), images=(IMAGE,), source=LabelSource(kind="file", name="one.zip"))
RECORDS = [kind for _, kind in inspect.getmembers(records, inspect.isclass) if issubclass(kind, Part)]


def test_the_digest_is_the_sha256_of_sorted_json():
    spec = TrainingSpec(**SPEC)
    defaults = {"schema_version": 1, "weight_decay": 1e-5, "warmup_steps": 100, "final_learning_rate_ratio": 0.1,
            "ema_decay": 0.9997, "weights_sha256": None, "augmentation": "standard", "settling_epochs": 0}  # fmt: skip
    text = json.dumps({**SPEC, **defaults}, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert spec.digest == hashlib.sha256(text.encode()).hexdigest()


def test_the_digest_does_not_depend_on_the_order_of_fields():
    backwards = TrainingSpec(**dict(reversed(SPEC.items())))
    assert backwards.digest == TrainingSpec(**SPEC).digest
    assert TrainingSpec.model_validate_json(backwards.model_dump_json()).digest == backwards.digest


@pytest.mark.parametrize("change", [{"seed": 2}, {"classes": ("dog", "猫")}, {"learning_rate": 5.1e-4},
                                    {"weights_sha256": SHA}])  # fmt: skip
def test_the_digest_changes_with_what_decides_a_run(change):
    assert TrainingSpec(**{**SPEC, **change}).digest != TrainingSpec(**SPEC).digest


def test_the_digest_ignores_where_something_came_from():
    finding = Finding(code="x", severity="info", count=1, message="m")
    moved = SNAPSHOT.model_copy(update={"source": LabelSource(kind="roboflow", name="a/b", version=3)})
    assert moved.digest == SNAPSHOT.digest
    assert SNAPSHOT.model_copy(update={"findings": (finding,)}).digest == SNAPSHOT.digest
    box = IMAGE.model_copy(update={"boxes": (Box(0, 0.5, 0, 3, 5),)})
    assert SNAPSHOT.model_copy(update={"images": (box,)}).digest != SNAPSHOT.digest
    exports = [LabelExport(source=LabelSource(kind="file", name=n), key="k", sha256=SHA, size=1) for n in ("a", "b")]
    assert exports[0].digest == exports[1].digest


STORED_SPEC = (
    '{"schema_version":1,"snapshot_digest":"cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc",'
    '"classes":["猫","dog"],"variant":"s","epochs":3,"image_size":64,"batch_size":2,"learning_rate":0.0005,'
    '"weight_decay":0.00001,"warmup_steps":100,"final_learning_rate_ratio":0.1,"ema_decay":0.9997,"patience":10,'
    '"augmentation":"standard","settling_epochs":0,"seed":1,"weights_sha256":null}'
)
"""As a nasflow from before recipes had numbers wrote it, with the run key that it gave it."""
STORED_RUN_KEY = "497d65949792f7d472f51610b5d7b65a25c08eaaaddb7a98711ad0f1bea0f9b4"


def test_a_spec_from_before_recipes_had_numbers_keeps_its_run_key():
    spec = TrainingSpec.model_validate_json(STORED_SPEC)
    assert (spec.recipe, spec.digest) == (0, STORED_RUN_KEY)
    written_again = TrainingSpec.model_validate_json(spec.model_dump_json())
    assert (written_again, written_again.digest) == (spec, STORED_RUN_KEY)


def test_each_recipe_makes_another_run_of_the_same_settings():
    digests = {TrainingSpec(**SPEC, recipe=recipe).digest for recipe in range(4)}
    assert len(digests) == 4


def test_fields_left_out_of_the_digest_exist():
    for kind in (kind for kind in RECORDS if issubclass(kind, Record)):
        assert kind.not_identity <= set(kind.model_fields)
        optional = {name for name, field in kind.model_fields.items() if not field.is_required()}
        assert kind.later_identity <= optional - {"schema_version"}


@pytest.mark.parametrize("kind", RECORDS)
def test_records_are_frozen_strict_and_described(kind):
    assert kind.model_config["frozen"]
    assert kind.model_config["extra"] == "forbid"
    assert not kind.model_config["allow_inf_nan"]
    assert all(field.description for field in kind.model_fields.values())


def test_unknown_fields_are_refused():
    with pytest.raises(ValidationError, match="Extra inputs"):
        TrainingSpec(**{**SPEC, "epoch": 3})


def test_a_record_cannot_be_changed():
    with pytest.raises(ValidationError, match="frozen"):
        TrainingSpec(**SPEC).seed = 2


def test_another_schema_version_is_refused():
    with pytest.raises(ValidationError, match="schema_version"):
        TrainingSpec(**SPEC, schema_version=2)


SCORES = scores().model_dump()
EPOCH = {"epoch": 1, "losses": {"total": 1.0}, "valid_losses": {"total": 1.0}, "map": 0.5, "map50": 0.5,
         "precision": 0.5, "recall": 0.5, "lr": 0.1, "seconds": 1}  # fmt: skip


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_numbers_that_are_not_finite_are_refused(bad):
    for kind, values in (
        (TrainingSpec, {**SPEC, "learning_rate": bad}),
        (RetrainRequest, {"project": "p", "learning_rate": bad}),
        (Scores, {**SCORES, "map": bad}),
        (Scores, {**SCORES, "ci95": {"map": (0.0, bad)}}),
        (EpochResult, {**EPOCH, "losses": {"total": bad}}),
        (LabelledImage, {**IMAGE.model_dump(), "boxes": [(0, 0, 0, 1, bad)]}),
    ):
        with pytest.raises(ValidationError, match=r"finite number|less than or equal|greater than"):
            kind(**values)


@pytest.mark.parametrize("project", ["Pets", "pets/dogs", "", "-pets", "a" * 64, "pets\n"])
def test_project_names_fit_into_keys(project):
    with pytest.raises(ValidationError, match="pattern"):
        RetrainRequest(project=project)


@pytest.mark.parametrize(
    ("refused", "is_final"), [((), True), (("onnx-int8",), True), (("onnx",), False), (("onnx", "onnx-int8"), False)]
)
def test_a_format_that_was_refused_is_made_again_unless_it_is_int8(refused, is_final):
    formats = ModelFormats(
        run_key=SHA, weights_sha256=SHA, threshold=0.5, formats=(), refused=dict.fromkeys(refused, "why"), seconds=1
    )
    assert formats.is_final is is_final


def test_a_card_of_a_nasflow_without_int8_is_read():
    agreement = {
        "images": 3, "detections": 8, "unmatched": 0, "map": 0.5, "map_difference": 0, "box_difference": 0.0001,
        "score_difference": 0,
    }  # fmt: skip
    old = {"name": "onnx", "agreement": agreement, "file": {"key": "runs/x", "sha256": SHA, "size": 1}}
    assert ModelFormat.model_validate(old).speed is None


def test_labels_of_images_that_were_not_turned_are_refused():
    """Their boxes are those of the image as stored, and images are now turned as their EXIF data ask."""
    document = SNAPSHOT.model_dump(mode="json")
    finding = {"code": "exif-rotation", "severity": "warning", "count": 2, "message": "used as stored"}
    with pytest.raises(ValidationError, match="not turned as their EXIF data ask; read the export again"):
        DatasetSnapshot.model_validate({**document, "findings": [finding]})
    DatasetSnapshot.model_validate({**document, "findings": [{**finding, "code": "exif-boxes-turned"}]})
