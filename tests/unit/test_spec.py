"""From a request to a spec: where the weights come from, and which labels belong to a line of models."""

from datetime import UTC, datetime

import pytest

from tasks.errors import BadRequest
from tasks.labeling.findings import FEW
from tasks.records import (
    ModelVersion,
    PromotionDecision,
    RetrainRequest,
    SnapshotRef,
    SplitCounts,
    StoredFile,
)
from tasks.training.spec import (
    SMALLEST_BATCH,
    batch_size,
    check_line,
    check_study,
    fitted_batch,
    learning_rate,
    nothing_new,
    plan,
)
from tests.fakes.scores import scores

SHA, OTHER = "1" * 64, "2" * 64
SNAPSHOT = SnapshotRef(
    snapshot_digest=SHA,
    classes=("cat", "dog"),
    splits={"train": SplitCounts(images=20, boxes=2, background=0)},
    findings=(),
)
CHAMPION = ModelVersion(
    project="pets", version=3, run_key=SHA, snapshot_digest=SHA, classes=("cat", "dog"), variant="s", image_size=64,
    weights=StoredFile(key="models/pets/000003/weights.safetensors", sha256=OTHER, size=1),
    report=StoredFile(key="models/pets/000003/report.html", sha256=SHA, size=1), split="test",
    scores=scores(0.5),
    decision=PromotionDecision(promote=True, verdict="promote", reason="First.", candidate_map=0.5, champion_map=None,
                               champion_version=None),
    created_at=datetime(2030, 1, 1, tzinfo=UTC),
)  # fmt: skip


def request(**values):
    return RetrainRequest(project="pets", export="store://x", **values)


def test_the_spec_holds_what_was_asked_for():
    asked = {
        "variant": "l", "epochs": 7, "image_size": 96, "batch_size": 3, "learning_rate": 0.01, "patience": 4, "seed": 9
    }  # fmt: skip
    job = plan(request(**asked), SNAPSHOT, None)
    assert {name: getattr(job.spec, name) for name in asked} == asked
    assert (job.spec.snapshot_digest, job.spec.classes) == (SHA, ("cat", "dog"))
    assert (job.weights, job.spec.weights_sha256) == ("none", None)


@pytest.mark.parametrize(("asked", "used"), [(21, 20), (1024, 20)])
def test_a_batch_larger_than_the_train_split_is_fitted_and_said(asked, used):
    job = plan(request(batch_size=asked), SNAPSHOT, None)
    assert job.spec.batch_size == used
    assert fitted_batch(request(batch_size=asked), job).startswith(f"batch size {asked} is larger than the train split")


@pytest.mark.parametrize("asked", [1, 19, 20, "auto"])
def test_a_batch_that_fits_needs_no_words(asked):
    assert fitted_batch(request(batch_size=asked), plan(request(batch_size=asked), SNAPSHOT, None)) is None


@pytest.mark.parametrize(
    ("images", "batch"), [(1, 1), (3, 3), (4, 4), (40, 4), (96, 8), (120, 8), (300, 16), (100_000, 16)]
)
def test_batch_auto_goes_by_the_number_of_images(images, batch):
    assert batch_size(request(batch_size="auto"), images) == batch


def test_warm_up_is_longer_where_it_protects_given_weights():
    given = plan(request(weights="store://x", weights_sha256=OTHER), SNAPSHOT, None)
    assert given.spec.warmup_steps > plan(request(), SNAPSHOT, None).spec.warmup_steps > 0


def test_learning_rate_auto_is_lower_from_given_weights():
    given = request(weights="store://x", weights_sha256=OTHER)
    assert learning_rate(request()) > learning_rate(given) > 0
    assert learning_rate(request(learning_rate=0.01)) == 0.01


@pytest.mark.parametrize(
    ("epochs", "asked", "used"), [(10, "auto", 20), (100, "auto", 25), (300, "auto", 75), (300, 5, 5), (10, 50, 50)]
)
def test_patience_auto_goes_by_the_number_of_epochs(epochs, asked, used):
    assert plan(request(epochs=epochs, patience=asked), SNAPSHOT, None).spec.patience == used


def test_mosaics_end_before_the_run_does():
    assert plan(request(augmentation="strong", epochs=100), SNAPSHOT, None).spec.settling_epochs == 15
    assert plan(request(augmentation="strong", epochs=1), SNAPSHOT, None).spec.settling_epochs == 1
    assert plan(request(augmentation="standard", epochs=100), SNAPSHOT, None).spec.settling_epochs == 0


def test_champion_weights_are_taken_by_key_and_content():
    job = plan(request(weights="champion"), SNAPSHOT, CHAMPION)
    assert (job.weights, job.spec.weights_sha256) == ("store://models/pets/000003/weights.safetensors", OTHER)


@pytest.mark.parametrize("given", [{"weights_sha256": OTHER}, {"weights_licence": "CC BY 4.0"}])
def test_what_belongs_to_weights_needs_some(given):
    with pytest.raises(BadRequest, match=f"{next(iter(given))}: is given, but weights are none"):
        plan(request(**given), SNAPSHOT, None)


def test_a_licence_goes_with_the_job():
    job = plan(request(weights="store://x", weights_sha256=OTHER, weights_licence="CC BY 4.0"), SNAPSHOT, None)
    assert job.weights_licence == "CC BY 4.0"


def test_a_champion_is_not_started_from_unless_asked_for():
    assert plan(request(), SNAPSHOT, CHAMPION).weights == "none"


def test_champion_weights_need_a_champion():
    with pytest.raises(BadRequest, match="project pets has no champion yet; start with weights none"):
        plan(request(weights="champion"), SNAPSHOT, None)


@pytest.mark.parametrize("weights", ["/weights/x.pth", "store://weights/x.safetensors"])
def test_other_weights_need_their_sha256(weights):
    job = plan(request(weights=weights, weights_sha256=OTHER), SNAPSHOT, None)
    assert (job.weights, job.spec.weights_sha256) == (weights, OTHER)
    with pytest.raises(BadRequest, match=f"{weights} is given without weights_sha256"):
        plan(request(weights=weights), SNAPSHOT, None)


def test_where_weights_and_labels_come_from_does_not_change_the_run():
    one = plan(
        request(weights="/here/x.pth", weights_sha256=OTHER, threshold_for="recall", gate={"min_gain": 0.1}),
        SNAPSHOT,
        None,
    )
    two = plan(request(weights="/there/y.pth", weights_sha256=OTHER), SNAPSHOT, CHAMPION)
    assert one.spec.digest == two.spec.digest
    assert plan(request(seed=1), SNAPSHOT, None).spec.digest != plan(request(seed=2), SNAPSHOT, None).spec.digest


@pytest.mark.parametrize(
    ("classes", "words"),
    [
        (("cat",), "without dog"),
        (("cat", "dog", "cow"), "with cow"),
        (("cat", "cow"), "without dog and with cow"),
        (("dog", "cat"), "in another order"),
    ],
)
def test_cases_a3_labels_of_other_classes_stop_the_run(classes, words):
    check_line(request(), SNAPSHOT, None)
    check_line(request(), SNAPSHOT, CHAMPION)
    changed = SNAPSHOT.model_copy(update={"classes": classes})
    with pytest.raises(BadRequest, match=f"version 3, knows classes cat, dog; these labels come {words}; bring them"):
        check_line(request(), changed, CHAMPION)


def test_nothing_new_is_the_same_settings_whatever_the_labels_digest():
    trained = plan(request(), SNAPSHOT, None).spec
    same = trained.model_copy(update={"snapshot_digest": OTHER, "classes": ("dog", "cat"), "weights_sha256": OTHER})
    assert "since version 3, the champion" in (nothing_new(same, trained, 3) or "")
    for more in ({"seed": 1}, {"epochs": 7}, {"variant": "l"}):
        assert nothing_new(plan(request(**more), SNAPSHOT, None).spec, trained, 3) is None


def test_the_check_knows_the_least_batch():
    assert FEW["train-below-batch"] == SMALLEST_BATCH


def test_a_study_cannot_start_from_the_champion_which_knows_the_images():
    check_study(request())
    check_study(request(weights="store://weights", weights_sha256=SHA))
    with pytest.raises(BadRequest, match="cannot start from the champion, which has learnt from these images"):
        check_study(request(weights="champion"))
