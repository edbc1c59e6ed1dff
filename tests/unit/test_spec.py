"""From a request to a spec: initial weights, automatic values, and labels that fit the project's champion."""

from datetime import UTC, datetime

import pytest

from tasks.errors import BadRequest, BadSpec
from tasks.labeling.finding_kinds import FINDING_KINDS
from tasks.metrics.scoring_number import SCORING, require_present_scoring
from tasks.records import (
    EvaluateJob,
    ModelVersion,
    PromotionDecision,
    RetrainRequest,
    RunState,
    SnapshotRef,
    SplitCounts,
    StoredFile,
)
from tasks.training.contract.files import another_run
from tasks.training.spec import (
    MIN_BATCH_SIZE,
    RECIPE,
    batch_size,
    check_classes,
    check_study,
    fitted_batch,
    learning_rate,
    older_run_in_words,
    plan,
    reason_not_to_skip,
    reason_to_skip,
    require_present_recipe,
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


def test_the_spec_holds_the_requested_values():
    asked = {
        "variant": "l", "epochs": 7, "image_size": 96, "batch_size": 3, "learning_rate": 0.01, "patience": 4, "seed": 9
    }  # fmt: skip
    job = plan(request(**asked), SNAPSHOT, None)
    assert {name: getattr(job.spec, name) for name in asked} == asked
    assert (job.spec.snapshot_digest, job.spec.classes) == (SHA, ("cat", "dog"))
    assert (job.weights, job.spec.weights_sha256) == ("none", None)


@pytest.mark.parametrize(("asked", "used"), [(21, 20), (1024, 20)])
def test_a_batch_larger_than_the_train_split_is_fitted_with_a_warning(asked, used):
    job = plan(request(batch_size=asked), SNAPSHOT, None)
    assert job.spec.batch_size == used
    assert fitted_batch(request(batch_size=asked), job).startswith(f"batch size {asked} is larger than the train split")


@pytest.mark.parametrize("asked", [1, 19, 20, "auto"])
def test_a_batch_that_fits_gives_no_warning(asked):
    assert fitted_batch(request(batch_size=asked), plan(request(batch_size=asked), SNAPSHOT, None)) is None


@pytest.mark.parametrize(
    ("images", "batch"), [(1, 1), (3, 3), (4, 4), (40, 4), (96, 8), (120, 8), (300, 16), (100_000, 16)]
)
def test_batch_size_auto_depends_on_the_number_of_images(images, batch):
    assert batch_size(request(batch_size="auto"), SplitCounts(images=images, boxes=1, background=0)) == batch


@pytest.mark.parametrize(
    ("images", "sources", "batch"), [(99, 11, 4), (99, 99, 8), (2160, 240, 16), (1080, 120, 8), (3, 1, 3), (99, 0, 8)]
)
def test_cases_batch_size_auto_counts_augmented_copies_of_an_image_once(images, sources, batch):
    counts = SplitCounts(images=images, boxes=1, background=0, sources=sources)
    assert batch_size(request(batch_size="auto"), counts) == batch
    assert batch_size(request(batch_size=64), counts) == min(64, images)


def test_warm_up_is_longer_when_it_protects_trained_weights():
    warm = plan(request(weights="store://x", weights_sha256=OTHER), SNAPSHOT, None)
    assert warm.spec.warmup_steps > plan(request(), SNAPSHOT, None).spec.warmup_steps > 0


def test_learning_rate_auto_is_lower_from_trained_weights():
    warm = request(weights="store://x", weights_sha256=OTHER)
    assert learning_rate(request()) > learning_rate(warm) > 0
    assert learning_rate(request(learning_rate=0.01)) == 0.01


@pytest.mark.parametrize(
    ("epochs", "asked", "used"), [(10, "auto", 20), (100, "auto", 25), (300, "auto", 75), (300, 5, 5), (10, 50, 50)]
)
def test_patience_auto_depends_on_the_number_of_epochs(epochs, asked, used):
    assert plan(request(epochs=epochs, patience=asked), SNAPSHOT, None).spec.patience == used


def test_the_last_epochs_have_no_mosaic():
    assert plan(request(augmentation="strong", epochs=100), SNAPSHOT, None).spec.settling_epochs == 15
    assert plan(request(augmentation="strong", epochs=1), SNAPSHOT, None).spec.settling_epochs == 1
    assert plan(request(augmentation="standard", epochs=100), SNAPSHOT, None).spec.settling_epochs == 0


def test_champion_weights_are_named_by_key_and_sha256():
    job = plan(request(weights="champion"), SNAPSHOT, CHAMPION)
    assert (job.weights, job.spec.weights_sha256) == ("store://models/pets/000003/weights.safetensors", OTHER)


@pytest.mark.parametrize("values", [{"weights_sha256": OTHER}, {"weights_licence": "CC BY 4.0"}])
def test_options_of_weights_are_refused_without_weights(values):
    with pytest.raises(BadRequest, match=f"{next(iter(values))}: is given, but weights are none"):
        plan(request(**values), SNAPSHOT, None)


def test_the_job_holds_the_licence_of_the_weights():
    job = plan(request(weights="store://x", weights_sha256=OTHER, weights_licence="CC BY 4.0"), SNAPSHOT, None)
    assert job.weights_licence == "CC BY 4.0"


def test_training_starts_from_the_champion_only_on_request():
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


def test_sources_of_weights_and_labels_do_not_change_the_run():
    first = plan(
        request(weights="/here/x.pth", weights_sha256=OTHER, threshold_for="recall", gate={"min_gain": 0.1}),
        SNAPSHOT,
        None,
    )
    second = plan(request(weights="/there/y.pth", weights_sha256=OTHER), SNAPSHOT, CHAMPION)
    assert first.spec.digest == second.spec.digest
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
    check_classes(request(), SNAPSHOT, None)
    check_classes(request(), SNAPSHOT, CHAMPION)
    changed = SNAPSHOT.model_copy(update={"classes": classes})
    with pytest.raises(BadRequest, match=f"version 3, knows classes cat, dog; these labels come {words}; bring them"):
        check_classes(request(), changed, CHAMPION)


def test_the_same_settings_are_a_reason_to_skip_whatever_the_labels_digest():
    champion_spec = plan(request(), SNAPSHOT, None).spec
    same = champion_spec.model_copy(
        update={"snapshot_digest": OTHER, "classes": ("dog", "cat"), "weights_sha256": OTHER}
    )
    assert "since version 3, the champion" in (reason_to_skip(same, champion_spec, 3) or "")
    for changes in ({"seed": 1}, {"epochs": 7}, {"variant": "l"}):
        assert reason_to_skip(plan(request(**changes), SNAPSHOT, None).spec, champion_spec, 3) is None


def test_a_plan_has_the_number_of_the_present_recipe():
    assert plan(request(), SNAPSHOT, None).spec.recipe == RECIPE > 0


def test_a_champion_of_another_recipe_is_no_reason_to_skip_and_the_sentence_names_both():
    spec = plan(request(), SNAPSHOT, None).spec
    older = spec.model_copy(update={"recipe": 0, "snapshot_digest": OTHER, "weights_sha256": OTHER})
    assert reason_to_skip(spec, older, 3) is None
    said = reason_not_to_skip(spec, older, 3) or ""
    assert "since version 3, the champion, but that was trained by recipe 0" in said
    assert f"trains by recipe {RECIPE}, so the run is not skipped" in said


def test_settings_that_changed_too_are_not_said_to_be_the_same():
    spec = plan(request(), SNAPSHOT, None).spec
    assert reason_not_to_skip(spec, spec, 3) is None
    assert reason_not_to_skip(spec, spec.model_copy(update={"recipe": 0, "seed": 9}), 3) is None


@pytest.mark.parametrize(("finished", "words"), [(True, "used again"), (False, "gone on with from its epoch 7")])
def test_an_older_run_is_told_with_its_recipe(finished, words):
    spec = plan(request(), SNAPSHOT, None).spec
    state = RunState.model_construct(run_key=OTHER, epochs_done=7, model=finished or None)
    assert older_run_in_words(spec, 0, state) == (
        f"run {OTHER[:12]} by recipe 0 has the same settings; it is kept, and not {words}, "
        f"since this nasflow trains by recipe {RECIPE}"
    )


@pytest.mark.parametrize("recipe", [RECIPE - 1, RECIPE + 1])
def test_what_another_nasflow_planned_is_not_trained(recipe):
    spec = plan(request(), SNAPSHOT, None).spec
    require_present_recipe(spec)
    with pytest.raises(BadSpec, match=f"was planned for recipe {recipe}, and this nasflow trains by recipe {RECIPE}; "):
        require_present_recipe(spec.model_copy(update={"recipe": recipe}))


@pytest.mark.parametrize("scoring", [SCORING - 1, SCORING + 1])
def test_what_another_nasflow_asked_to_measure_is_not_measured(scoring):
    job = EvaluateJob(run_key=SHA, snapshot_digest=SHA, split="test", scoring=SCORING)
    require_present_scoring(job)
    with pytest.raises(BadSpec, match=f"scores by scoring {scoring} were asked for, and this nasflow has scoring"):
        require_present_scoring(job.model_copy(update={"scoring": scoring}))


def test_a_run_folder_of_an_older_recipe_is_refused_by_name():
    spec = plan(request(), SNAPSHOT, None).spec
    older = spec.model_copy(update={"recipe": 0})
    assert f"they differ in recipe (0 there, {RECIPE} here); take another" in another_run(older.digest, older, spec)


def test_labels_are_checked_against_the_min_batch_size():
    assert FINDING_KINDS["train-below-batch"].limit == MIN_BATCH_SIZE


def test_a_study_cannot_start_from_the_champion():
    check_study(request())
    check_study(request(weights="store://weights", weights_sha256=SHA))
    with pytest.raises(BadRequest, match="cannot start from the champion, which has learnt from these images"):
        check_study(request(weights="champion"))
