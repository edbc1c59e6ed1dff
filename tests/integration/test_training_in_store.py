"""Training and evaluation with a real store: what is in it afterwards, also after a stop or a kill."""

import hashlib
import json
import logging
import shutil
import threading
from pathlib import Path

import psutil
import pytest

from deployments.demo.cartoons import draw_export
from tasks.errors import BadCheckpoint, BadSpec, NasflowError, TrainingFailed
from tasks.evaluation.in_store import evaluate_in_store, find_evaluation, job_for
from tasks.labeling.in_store import check_to_store, export_to_store
from tasks.local.files import file_sha256
from tasks.records import (
    Box,
    DatasetSnapshot,
    EvaluateJob,
    Evaluation,
    LabelledImage,
    LabelSource,
    ReplayRequest,
    RetrainRequest,
)
from tasks.settings import RoboflowSettings, WorkSettings
from tasks.storage import keys
from tasks.storage.checkpoints import restore_checkpoint, save_checkpoint
from tasks.storage.documents import put_record
from tasks.storage.leases import wait_for_lease
from tasks.storage.runs import find_model
from tasks.training.contract.events import BatchesDone, CheckpointSaved, EpochDone, Event, Started
from tasks.training.detection_in_store import detect_in_store
from tasks.training.replay_in_store import replay_in_store
from tasks.training.spec import RECIPE, plan
from tasks.training.stored_detections import find_detections, splits_to_detect
from tasks.training.training_in_store import train_in_store
from tests.fakes.finished_runs import finished_run_of
from tests.fakes.lease_holders import holder
from tests.fakes.published import publish_one

SHA = "a" * 64


class Cancelled(BaseException):
    """What is raised when a flow run is cancelled."""


@pytest.fixture
def job(store, tmp_path, monkeypatch):
    """A job on labels in the store: six epochs of two steps."""
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    draw_export(tmp_path / "labels", 1, train=8, valid=2, test=2, size=64)
    request = RetrainRequest(
        project="pets", export=str(tmp_path / "labels"), epochs=6, image_size=64, batch_size=4, learning_rate=1e-3
    )
    fetched = export_to_store(store, request, RoboflowSettings, tmp_path / "scratch")
    reference = check_to_store(store, fetched, tmp_path / "scratch")
    job = plan(request, reference, None)
    return job.model_copy(update={"evaluation": job_for(job.spec.digest, reference)}), reference


class Machine:
    """A worker's machine: its folder, and the events of its trainers."""

    def __init__(self, folder: Path) -> None:
        self.settings = WorkSettings(work_dir=folder, checkpoint_every_minutes=0.01)
        self.events: list[Event] = []

    def resumed_epochs(self):
        """The epoch after which each trainer process went on."""
        return [event.resumed_from_epoch for event in self.events if isinstance(event, Started)]


def trainers():
    """Trainer processes of this process; the store is a child process of it, too."""
    return [child for child in psutil.Process().children() if "tasks.training.worker" in child.cmdline()]


def assert_detected(store, job, model, detected, machine):
    """The detections of both splits, a batch of two images each, are in the store, and the machine keeps no files."""
    batches = [(event.done, event.total) for event in machine.events if isinstance(event, BatchesDone)]
    assert batches == [(1, 2), (2, 2)]
    assert detected.valid is not None
    for stored in (detected.measured, detected.valid):
        assert stored.key == keys.detections(job.run_key, job.snapshot_digest, stored.sha256)
        assert {detection["image_id"] for detection in json.loads(store.get(stored.key)[0])} <= {1, 2}
    assert (detected.speed.file_bytes, detected.speed.batch) == (model.weights.size, 16)
    assert list((machine.settings.work_dir / "detections").iterdir()) == []


class Begun(BaseException):
    """What a test raises when the trainer has begun, which is all that it wants to see."""


def warnings_at_begin(store, job, machine, caplog):
    """Warnings of a training until its trainer has begun."""

    def stop(event):
        if isinstance(event, Started):
            raise Begun

    caplog.clear()
    with pytest.raises(Begun):
        train_in_store(store, job, holder("later"), machine.settings, stop)
    return [record.message for record in caplog.records if record.levelname == "WARNING"]


def test_a_run_that_begins_anew_although_it_was_at_work_says_so(store, job, tmp_path, caplog):
    job, _ = job
    assert warnings_at_begin(store, job, Machine(tmp_path / "first"), caplog) == []
    store.delete(store.list(keys.checkpoints(job.spec.digest)))  # as if it was killed before it wrote one
    assert warnings_at_begin(store, job, Machine(tmp_path / "second"), caplog) == [
        "training begins anew: a test was at work on it before, and left no checkpoint in the store"
    ]


def test_a_run_that_goes_on_from_an_older_checkpoint_than_was_saved_says_so(store, job, tmp_path, caplog):
    job, _ = job
    warnings_at_begin(store, job, Machine(tmp_path / "first"), caplog)
    with wait_for_lease(store, job.spec.digest, holder("killed"), 6) as lease:
        lease.report(2)  # two epochs, on a machine that was lost before they were sent
    assert warnings_at_begin(store, job, Machine(tmp_path / "second"), caplog) == [
        "training goes on after epoch 0: a test had saved epoch 2 on its machine, which is not in the store"
    ]


@pytest.mark.usefixtures("kernel_kills_alone")
def test_a_stopped_run_goes_on_on_another_machine_survives_a_kill_and_is_measured(store, job, tmp_path, caplog):
    caplog.set_level(logging.INFO)
    job, reference = job
    run_key = job.spec.digest

    # Stopped on one machine after its second epoch; the checkpoint of that moment is in the store.
    first = Machine(tmp_path / "first")

    def stop_after_second_epoch(event):
        first.events.append(event)
        if isinstance(event, EpochDone) and event.epoch == 2:
            raise Cancelled

    with pytest.raises(Cancelled):
        train_in_store(store, job, holder("first"), first.settings, stop_after_second_epoch)
    assert find_model(store, run_key) is None
    manifest = restore_checkpoint(store, run_key, tmp_path / "newest", [])
    assert manifest.files["last.ckpt"].sha256 == file_sha256(first.settings.work_dir / "runs" / run_key / "last.ckpt")
    assert json.loads(store.get(keys.run_state(run_key))[0])["status"] == "released"

    # Another machine, whose own checkpoint is damaged, goes on from there, and its trainer is killed once.
    second = Machine(tmp_path / "second")
    second_folder = tmp_path / "second" / "runs" / run_key
    second_folder.mkdir(parents=True)
    shutil.copy(first.settings.work_dir / "runs" / run_key / "history.jsonl", second_folder)
    (second_folder / "last.ckpt").write_bytes(b"{ \xff damaged")

    def kill_once(event):
        second.events.append(event)
        saved_further_epoch = isinstance(event, CheckpointSaved) and event.epochs_done > manifest.epochs_done
        if saved_further_epoch and len(second.resumed_epochs()) == 1:
            trainers()[0].kill()

    model = train_in_store(store, job, holder("second"), second.settings, kill_once)
    assert second.resumed_epochs()[0] == manifest.epochs_done >= 2
    assert len(second.resumed_epochs()) == 2
    assert second.resumed_epochs()[1] > manifest.epochs_done
    assert "not a readable checkpoint" in caplog.text
    assert "killed by SIGKILL" in caplog.text
    assert (model.result.epochs_done, model.result.resumed_from_epoch) == (6, second.resumed_epochs()[1])
    history = [json.loads(line)["epoch"] for line in store.get(model.history.key)[0].splitlines()]
    assert history == [1, 2, 3, 4, 5, 6]
    assert find_model(store, run_key) == model
    assert hashlib.sha256(store.get(model.weights.key)[0]).hexdigest() == model.result.weights_sha256
    assert store.list(keys.checkpoints(run_key)) == []
    assert json.loads(store.get(keys.run_state(run_key))[0])["status"] == "finished"
    assert not (second.settings.work_dir / "runs" / run_key).exists()

    # The same again returns the stored model at once, without any process. Checkpoints of a lost worker are deleted.
    save_checkpoint(store, run_key, 6, {"last.ckpt": first.settings.work_dir / "runs" / run_key / "last.ckpt"})
    third = Machine(tmp_path / "third")
    assert train_in_store(store, job, holder("third"), third.settings, third.events.append) == model
    assert store.list(keys.checkpoints(run_key)) == []
    assert (third.events, third.settings.work_dir.exists()) == ([], False)

    assert_measured(store, model, reference, third)
    assert_replayed(store, tmp_path, model, Machine(tmp_path / "fourth"))


def assert_replayed(store, tmp_path, model, machine):
    """The version is trained again on another machine, with a stop in between; no object changes but its card."""
    version = published_as(store, tmp_path, model)
    request = ReplayRequest(project=version.project, version=version.version)
    before = {key: store.get(key)[0] for key in store.list("")}

    def stop_after_second_epoch(event):
        machine.events.append(event)
        if isinstance(event, EpochDone) and event.epoch == 2:
            raise Cancelled

    with pytest.raises(Cancelled):
        replay_in_store(store, request, machine.settings, stop_after_second_epoch)
    outcome = replay_in_store(store, request, machine.settings, machine.events.append)
    assert machine.resumed_epochs()[1] >= 1
    assert outcome.equal
    assert (outcome.weights_sha256, outcome.differences) == (model.weights.sha256, ())
    assert (outcome.valid_map, outcome.replayed_map) == (model.result.best_map, model.result.best_map)
    assert {key: store.get(key)[0] for key in store.list("")} == before
    assert list((machine.settings.work_dir / "replays").iterdir()) == []


def published_as(store, tmp_path, model):
    """The first version of a project, from this run."""
    content = store.get(model.weights.key)[0]
    published = publish_one(store, tmp_path, weights=content)
    version = published.model_copy(update={"run_key": model.run_key, "snapshot_digest": model.spec.snapshot_digest})
    put_record(store, keys.model_card(version.project, version.version), version)
    return version


def assert_measured(store, model, reference, machine):
    """The model can be measured on another machine: numbers, page and report."""
    evaluate_job = job_for(model.run_key, reference)
    assert evaluate_job.split == "test"
    assert find_evaluation(store, evaluate_job, model) is None
    # The trainer has detected already. Detected again from the weights alone, it is the same.
    after_training = detect_in_store(store, evaluate_job, machine.settings, machine.events.append)
    assert (machine.events, machine.settings.work_dir.exists()) == ([], False)
    assert find_detections(store, evaluate_job, model) == after_training
    store.delete([after_training.measured.key])
    assert find_detections(store, evaluate_job, model) is None
    detected = detect_in_store(store, evaluate_job, machine.settings, machine.events.append)
    assert (detected.measured, detected.valid) == (after_training.measured, after_training.valid)
    assert_detected(store, evaluate_job, model, detected, machine)
    report = evaluate_in_store(store, evaluate_job, detected, machine.settings)
    assert (report.counts.images, report.weights_sha256) == (2, model.weights.sha256)
    assert set(report.scores.per_class) == set(reference.classes)
    (page_key,) = (key for key in store.list(keys.run(model.run_key)) if key.endswith("-index.html"))
    page = store.get(page_key)[0].decode()
    assert f"{report.scores.map:.3f}" in page
    evaluation = Evaluation.model_validate_json(store.get(report.evaluation.key)[0])
    assert (evaluation.scores, evaluation.speed) == (report.scores, report.speed)
    assert evaluation.point.chosen_on == report.scores.threshold_from == "valid"
    assert find_evaluation(store, evaluate_job, model) == report
    assert evaluate_in_store(store, evaluate_job, detected, machine.settings) == report


@pytest.mark.parametrize("changed", ["recipe", "scoring"])
def test_what_another_nasflow_planned_is_refused_before_anything_is_written(store, job, tmp_path, changed):
    job, _ = job
    if changed == "recipe":
        other = job.model_copy(update={"spec": job.spec.model_copy(update={"recipe": 0})})
    else:
        other = job.model_copy(update={"evaluation": job.evaluation.model_copy(update={"scoring": 0})})
    before, machine = store.list(""), Machine(tmp_path / "machine")
    with pytest.raises(BadSpec, match=f"{changed} 0.*install the same nasflow everywhere, then ask for the run again"):
        train_in_store(store, other, holder("one"), machine.settings, machine.events.append)
    assert (store.list(""), machine.events, machine.settings.work_dir.exists()) == (before, [], False)


def test_a_replay_by_another_recipe_says_so_before_it_trains(store, job, tmp_path, caplog):
    job, _ = job
    model = finished_run_of(store, tmp_path, job.spec.model_copy(update={"recipe": 0}), b"older weights")
    version = published_as(store, tmp_path, model)

    def stop(event):
        raise Cancelled

    request, machine = ReplayRequest(project=version.project, version=version.version), Machine(tmp_path / "machine")
    with pytest.raises(Cancelled):
        replay_in_store(store, request, machine.settings, stop)
    assert f"trained by recipe 0, and this nasflow trains by recipe {RECIPE}, so other weights are exp" in caplog.text


def test_a_run_ends_when_the_checkpoints_of_machine_and_store_are_refused(store, job, tmp_path):
    job, _ = job
    machine = Machine(tmp_path / "machine")
    (tmp_path / "last.ckpt").write_bytes(b"of another kind")
    save_checkpoint(store, job.spec.digest, 1, {"last.ckpt": tmp_path / "last.ckpt"})
    with pytest.raises(BadCheckpoint, match="not a readable checkpoint"):
        train_in_store(store, job, holder("one"), machine.settings, machine.events.append)
    assert find_model(store, job.spec.digest) is None


@pytest.mark.usefixtures("kernel_kills_alone")
def test_a_trainer_that_is_killed_several_times_in_a_row_is_not_started_again(store, job, tmp_path):
    job, _ = job
    machine = Machine(tmp_path / "machine")
    machine.settings = machine.settings.model_copy(update={"trainer_attempts": 2})
    ended = threading.Event()

    def kill_whatever_starts():
        while not ended.wait(0.05):
            for trainer in trainers():
                trainer.kill()

    killer = threading.Thread(target=kill_whatever_starts)
    killer.start()
    try:
        with pytest.raises(TrainingFailed, match=r"killed by SIGKILL; started again.*2 times in a row"):
            train_in_store(store, job, holder("one"), machine.settings, machine.events.append)
    finally:
        ended.set()
        killer.join()
    assert find_model(store, job.spec.digest) is None


@pytest.mark.parametrize(
    ("measured", "labels", "splits"),
    [
        ("test", {"train": 1, "valid": 1, "test": 1}, ("test", "valid")),
        ("test", {"train": 1, "valid": 0, "test": 1}, ("test",)),
        ("test", {"train": 1, "test": 1}, ("test",)),
        ("valid", {"train": 1, "valid": 1, "test": 0}, ("valid",)),
    ],
)
def test_the_valid_split_is_detected_on_after_test_if_it_has_boxes(measured, labels, splits):
    """Boxes of the one image of each split; thresholds are chosen on valid, where that has any."""
    images = tuple(
        LabelledImage(
            file_name="a.png", split=split, sha256=SHA, size=1, width=9, height=9, boxes=(Box(0, 1, 1, 5, 5),) * boxes
        )
        for split, boxes in labels.items()
    )
    snapshot = DatasetSnapshot(classes=("cat",), images=images, source=LabelSource(kind="file", name="pets"))
    evaluate_job = EvaluateJob(run_key=SHA, snapshot_digest=snapshot.digest, split=measured)
    assert splits_to_detect(evaluate_job, snapshot) == splits


def test_an_unfinished_run_cannot_be_measured(store, job, tmp_path):
    job, reference = job
    evaluate_job = EvaluateJob(run_key=job.spec.digest, snapshot_digest=reference.snapshot_digest, split="test")
    with pytest.raises(NasflowError, match="has no finished model in the store; train it first"):
        detect_in_store(store, evaluate_job, WorkSettings(work_dir=tmp_path / "work"), lambda event: None)
