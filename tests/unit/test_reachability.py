"""What of a made-up store can be removed: never what a version, a run that can go on, or a young object needs."""

from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256

import pytest

from tasks.housekeeping.amounts import Tally
from tasks.housekeeping.contents import Contents, Run
from tasks.housekeeping.reachability import find_removable
from tasks.records import (
    ModelVersion,
    PromotionDecision,
    RunState,
    StoredFile,
    TrainedModel,
    TrainingResult,
    TrainingSpec,
)
from tasks.storage import keys
from tasks.storage.s3 import OpenUpload
from tasks.storage.s3_objects import Entry
from tasks.storage.sweeps import housekeeper
from tests.fakes.lease_holders import holder
from tests.fakes.scores import scores

NOW = datetime(2024, 5, 1, 12, tzinfo=UTC)
OLD, YOUNG = NOW - timedelta(days=31), NOW - timedelta(days=29)
MONTH = timedelta(days=30)


def digest(name):
    return sha256(name.encode()).hexdigest()


def entry(key, modified=OLD):
    return Entry(key, 10, modified)


def spec_on(labels, weights=None):
    return TrainingSpec(
        snapshot_digest=digest(labels), classes=("cat",), variant="s", epochs=2, image_size=64, batch_size=2,
        learning_rate=1e-3, patience=2, seed=0, weights_sha256=weights and digest(weights),
    )  # fmt: skip


def finished(name, labels, modified=OLD, weights=None, more=()):
    """A finished run, with the files that such a run has."""
    key, best = digest(name), StoredFile(key=keys.run_weights(digest(name), digest(name)), sha256=digest(name), size=10)
    spec = spec_on(labels, weights)
    result = TrainingResult(
        run_key=spec.digest, epochs_done=2, best_epoch=1, best_map=0.5, ended="epochs", seconds=1, images_per_second=1,
        weights_sha256=best.sha256, resumed_from_epoch=None, device="cpu",
    )  # fmt: skip
    model = TrainedModel(run_key=key, spec=spec, result=result, weights=best, history=best)
    names = [keys.run_spec(key), keys.run_state(key), best.key, keys.evaluation_report(keys.run(key))]
    return Run(key, tuple(entry(one, modified) for one in [*names, *more]), state(key, "finished", model=model), "etag")


def state(key, status, who=None, model=None):
    return RunState(
        run_key=key, status=status, holder=who or holder("a run"), lease="token", lease_seconds=60, renewals=1,
        renewed_at=OLD, model=model,
    )  # fmt: skip


def unfinished(name, labels, status="released", who=None, modified=OLD, weights=None):
    key = digest(name)
    names = [keys.run_spec(key), keys.run_state(key), keys.checkpoint_manifest(key, 3)]
    spec = spec_on(labels, weights)
    return Run(key, tuple(entry(one, modified) for one in names), state(key, status, who), "etag", spec)


def card(run, labels):
    file = StoredFile(key="models/pets/000001/weights.safetensors", sha256=digest("w"), size=1)
    decision = PromotionDecision(
        promote=False, verdict="keep", reason="No.", candidate_map=0.5, champion_map=None, champion_version=None
    )
    return ModelVersion(
        project="pets", version=1, run_key=digest(run), snapshot_digest=digest(labels), classes=("cat",), variant="s",
        image_size=64, weights=file, report=file, split="test", decision=decision, created_at=OLD,
        scores=scores(0.5, map50=0.6, precision=1, recall=1, threshold=0.5),
    )  # fmt: skip


LABELS = ("one", "two", "three")
"""Each snapshot has an image of its own, and one that all have."""


def store_with(*runs, cards=(), manifests=OLD, **more):
    names = [*LABELS, "shared", "export", "start"]
    blobs = {digest(name): entry(keys.blob(digest(name))) for name in names}
    snapshots = {digest(name): entry(keys.snapshot(digest(name)), manifests) for name in LABELS}
    return Contents(NOW, cards, runs, snapshots, blobs, **more)


def images_of(digests):
    names = {digest(name): name for name in LABELS}
    assert set(digests) <= set(names)
    return {digest(names[one]) for one in digests} | ({digest("shared")} if digests else set())


def found_in(contents):
    return find_removable(contents, MONTH, images_of)


def names_of(entries, make):
    known = {make(digest(name)): name for name in [*LABELS, "shared", "export", "start"]}
    return sorted(known[entry.key] for entry in entries)


def kept_labels(found):
    """Names of the snapshots that stay; their images stay with them."""
    gone = names_of(found.snapshots, keys.snapshot)
    blobs = names_of(found.blobs, keys.blob)
    assert set(blobs) & set(LABELS) == set(gone)
    assert ("shared" in blobs) == (len(gone) == len(LABELS))
    return sorted(set(LABELS) - set(gone))


def keys_of(runs):
    return {run.key for run in runs}


def test_an_old_store_without_models_can_be_removed_whole():
    run = finished("a", "one")
    found = found_in(store_with(run))
    assert keys_of(found.runs) == {run.key}
    assert kept_labels(found) == []
    assert "export" in names_of(found.blobs, keys.blob)


def test_a_version_needs_its_run_and_its_labels():
    found = found_in(store_with(finished("a", "one"), finished("b", "two"), cards=(card("a", "one"),)))
    assert keys_of(found.runs) == {digest("b")}
    assert kept_labels(found) == ["one"]


def test_a_version_whose_run_is_gone_needs_its_labels():
    assert kept_labels(found_in(store_with(cards=(card("a", "two"),)))) == ["two"]


def published_weights(name, modified=OLD, manifest=OLD):
    sha256 = digest(name)
    file = entry(keys.pretrained_file(sha256, "yolo_nas_s_coco.pth"), modified)
    return {sha256: (file, entry(keys.pretrained_manifest(sha256), manifest))}


@pytest.mark.parametrize("make", [finished, unfinished])
def test_published_weights_are_needed_by_a_run_that_started_from_them(make):
    run = make("a", "one", weights="coco")
    cards = (card("a", "one"),) if make is finished else ()
    contents = store_with(run, cards=cards, pretrained=published_weights("coco") | published_weights("others"))
    assert set(found_in(contents).pretrained) == set(published_weights("others")[digest("others")])


@pytest.mark.parametrize(("modified", "manifest", "gone"), [(OLD, OLD, 2), (YOUNG, OLD, 0), (OLD, YOUNG, 0)])
def test_published_weights_stay_while_one_of_their_objects_is_young(modified, manifest, gone):
    contents = store_with(pretrained=published_weights("coco", modified, manifest))
    assert len(found_in(contents).pretrained) == gone


@pytest.mark.parametrize("status", ["running", "released"])
def test_a_run_that_is_not_finished_is_needed_however_old_it_is(status):
    found = found_in(store_with(unfinished("a", "three", status)))
    assert found.runs == ()
    assert kept_labels(found) == ["three"]
    assert keys_of(found.unfinished) == {digest("a")}


def test_a_run_that_a_removal_left_half_is_removed_at_once():
    found = found_in(store_with(unfinished("a", "three", "running", housekeeper(), modified=YOUNG)))
    assert keys_of(found.runs) == {digest("a")}
    assert kept_labels(found) == []
    assert found.unfinished == ()


def test_what_is_left_of_a_run_without_a_state_goes_when_it_is_old():
    specs = {name: entry(keys.run_spec(digest(name)), at) for name, at in (("a", OLD), ("b", YOUNG))}
    leftovers = [Run(digest(name), (spec,)) for name, spec in specs.items()]
    assert keys_of(found_in(store_with(*leftovers)).runs) == {digest("a")}


def test_one_young_object_keeps_a_run_and_its_labels():
    run = finished("a", "two")
    young = Run(run.key, (*run.entries, entry(keys.run_waiting(run.key), YOUNG)), run.state, "etag")
    found = found_in(store_with(young))
    assert found.runs == ()
    assert kept_labels(found) == ["two"]


def test_young_manifests_keep_their_images_and_young_blobs_stay():
    assert kept_labels(found_in(store_with(manifests=YOUNG))) == sorted(LABELS)
    contents = store_with()
    contents.blobs[digest("export")] = entry(keys.blob(digest("export")), YOUNG)
    assert "export" not in names_of(found_in(contents).blobs, keys.blob)


def test_exactly_at_the_age_it_is_old():
    contents = store_with(manifests=NOW - MONTH)
    assert kept_labels(found_in(contents)) == []


@pytest.mark.parametrize("later", [finished("c", "one", YOUNG, "b"), unfinished("c", "one", weights="b")])
def test_runs_that_a_needed_run_started_from_are_needed_one_after_the_other(later):
    runs = (finished("a", "three"), finished("b", "two", weights="a"), later, finished("d", "one"))
    found = found_in(store_with(*runs))
    assert keys_of(found.runs) == {digest("d")}
    assert kept_labels(found) == sorted(LABELS)


def test_a_blob_that_a_needed_run_started_from_is_needed():
    blobs = names_of(found_in(store_with(finished("a", "one", YOUNG, "start"))).blobs, keys.blob)
    assert "start" not in blobs
    assert "export" in blobs


def test_only_finished_runs_lose_their_checkpoints():
    checkpoint = keys.checkpoint_manifest(digest("a"), 3)
    runs = (finished("a", "one", YOUNG, more=[checkpoint]), finished("b", "one", YOUNG), unfinished("c", "one"))
    found = found_in(store_with(*runs))
    assert keys_of(found.checkpoints) == {digest("a")}
    assert found.runs == ()


def evaluated_on(labels, modified, scoring=1):
    """A needed run, whose model was also measured on other labels."""
    key = digest("a")
    evaluation = keys.evaluation(key, digest(labels), digest("one"), "recall", scoring)
    detections = keys.detections(key, digest(labels), digest("detections"))
    own = keys.detections(key, digest("one"), digest("detections"))
    run = finished("a", "one", more=[own])
    more = (entry(keys.evaluation_report(evaluation), modified), entry(detections, OLD))
    return Run(run.key, (*run.entries, *more), run.state, "etag"), {one.key for one in more}


def by_recipe(run, recipe):
    """A run as another recipe has it, of the same name."""
    if run.stored_spec:
        return replace(run, stored_spec=run.stored_spec.model_copy(update={"recipe": recipe}))
    model = run.state.model.model_copy(update={"spec": run.spec.model_copy(update={"recipe": recipe})})
    return replace(run, state=run.state.model_copy(update={"model": model}))


def test_the_recipe_of_a_run_decides_nothing():
    runs = (
        finished("a", "one"), finished("b", "two", weights="start"), finished("c", "three", YOUNG),
        unfinished("d", "two", weights="start"),
    )  # fmt: skip
    for cards in ((), (card("a", "one"),)):
        older, present = (
            found_in(store_with(*(by_recipe(run, recipe) for run in runs), cards=cards)) for recipe in (0, 1)
        )
        for one in fields(present):
            before, now = getattr(older, one.name), getattr(present, one.name)
            assert [item.key for item in before] == [item.key for item in now], one.name
        assert keys_of(present.runs) == {digest("b")} | (set() if cards else {digest("a")})


@pytest.mark.parametrize("scoring", [0, 1])
def test_an_evaluation_on_other_labels_goes_with_the_labels(scoring):
    run, evaluation = evaluated_on("two", OLD, scoring)
    found = found_in(store_with(run, cards=(card("a", "one"),)))
    assert {one.key for one in found.evaluations} == evaluation
    assert kept_labels(found) == ["one"]

    found = found_in(store_with(run, finished("b", "two"), cards=(card("a", "one"), card("b", "two"))))
    assert found.evaluations == ()


def test_a_young_evaluation_keeps_its_labels():
    run, _ = evaluated_on("two", YOUNG)
    found = found_in(store_with(run, cards=(card("a", "one"),)))
    assert found.evaluations == ()
    assert kept_labels(found) == ["one", "two"]


def test_old_uploads_and_probes_go():
    uploads = tuple(OpenUpload(keys.blob(digest("x")), str(at), at) for at in (OLD, YOUNG))
    probes = tuple(entry(keys.probe("f" * 32), at) for at in (OLD, YOUNG))
    found = found_in(store_with(uploads=uploads, probes=probes))
    assert found.uploads == uploads[:1]
    assert found.probes == probes[:1]


def test_amounts_are_counted_by_kind():
    key = digest("a")
    more = [keys.checkpoint_manifest(key, 1), keys.blob(key), keys.probe(key), keys.pretrained_manifest(key)]
    tally = Tally(finished("a", "one", more=more).entries)
    tally.add_upload(5, YOUNG)
    counts = {kind: amount.objects for kind, amount in tally.by_kind().items()}
    assert counts == {
        "images and exports": 1, "snapshots": 0, "published weights": 1, "checkpoints": 1, "evaluations": 1, "runs": 3,
        "probes": 1, "unfinished uploads": 1,
    }  # fmt: skip
    assert (tally.total().objects, tally.total().size, tally.total().oldest) == (9, 85, OLD)
