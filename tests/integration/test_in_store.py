"""Labels, training and evaluation with a real store: what is there afterwards, and what a kill leaves."""

import hashlib
import json
import logging
import shutil
import threading
import time
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import pytest
from pydantic import SecretStr

from deployments.demo.cartoons import draw_export
from tasks.errors import BadCheckpoint, BadExport, BadRequest, BadSettings, NasflowError, TrainingFailed
from tasks.evaluation.in_store import evaluate_in_store, find_evaluation, job_for
from tasks.labeling.formats import zips
from tasks.labeling.in_store import check_to_store, export_to_store, part_to_store
from tasks.local.files import file_sha256
from tasks.records import DatasetSnapshot, EvaluateJob, Evaluation, LabelledImage, LabelSource, RetrainRequest
from tasks.settings import RoboflowSettings, WorkSettings
from tasks.storage import keys
from tasks.storage.datasets import load_snapshot
from tasks.storage.runs import find_model, restore_checkpoint, save_checkpoint
from tasks.training.in_store import CheckpointUploader, detect_in_store, splits_to_detect, train_in_store
from tasks.training.spec import plan
from tests.fakes.exports import write_export
from tests.fakes.formats import FORMATS, write_in
from tests.fakes.roboflow_server import KEY, RoboflowServer

RUN = "a" * 64


def no_roboflow():
    raise AssertionError("Roboflow is not needed here")


def request(**values):
    return RetrainRequest(project="pets", **values)


# Labels ------------------------------------------------------------------------------------------


@pytest.fixture
def pets(tmp_path):
    return write_export(tmp_path / "pets", train=4, valid=2)


@pytest.mark.parametrize("kind", ["folder", "zip", "store"])
def test_labels_from_anywhere_are_the_same_snapshot(store, pets, tmp_path, kind):
    export = str(pets)
    if kind != "folder":
        zips.pack(pets, tmp_path / "pets.zip")
        export = str(tmp_path / "pets.zip")
    if kind == "store":
        export = f"store://{store.upload(tmp_path / 'pets.zip', 'incoming/pets.zip').key}"
    fetched = export_to_store(store, request(export=export), no_roboflow, tmp_path / "scratch")
    assert fetched.source.kind == "file"
    assert store.size(fetched.key) == fetched.size
    seen = []
    reference = check_to_store(store, fetched, tmp_path / "scratch", lambda *progress: seen.append(progress))
    assert seen[-1] == (6, 6)
    assert (reference.classes, reference.splits["train"].images) == (("cat", "dog"), 4)
    snapshot = load_snapshot(store, reference.snapshot_digest)
    assert snapshot.source.name in ("pets", "pets.zip")
    for image in snapshot.images:
        assert store.get(keys.blob(image.sha256))[0] == (pets / image.split / image.file_name).read_bytes()
    assert list((tmp_path / "scratch").iterdir()) == []


def test_a_part_of_the_labels_is_one_more_manifest(store, pets, tmp_path):
    fetched = export_to_store(store, request(export=str(pets)), no_roboflow, tmp_path / "scratch")
    whole = check_to_store(store, fetched, tmp_path / "scratch")
    before = set(store.list(""))
    part = part_to_store(store, whole, 0.5)
    assert (part.splits["train"].images, part.splits["valid"]) == (2, whole.splits["valid"])
    assert set(store.list("")) - before == {keys.snapshot(part.snapshot_digest)}
    assert load_snapshot(store, part.snapshot_digest).counts() == part.splits
    # All of it is the snapshot itself, and the same part the same one.
    assert part_to_store(store, whole, 1.0).snapshot_digest == whole.snapshot_digest
    assert part_to_store(store, whole, 0.5) == part


def test_a_zip_in_the_store_is_read_in_every_format(store, tmp_path):
    digests = set()
    for kind in FORMATS:
        zips.pack(write_in(kind, tmp_path / kind), tmp_path / f"{kind}.zip")
        key = store.upload(tmp_path / f"{kind}.zip", f"incoming/{kind}.zip").key
        fetched = export_to_store(store, request(export=f"store://{key}"), no_roboflow, tmp_path / "scratch")
        digests.add(check_to_store(store, fetched, tmp_path / "scratch").snapshot_digest)
    assert len(digests) == 1


def test_an_export_is_named_after_its_folder_however_it_is_written(store, pets, tmp_path, monkeypatch):
    monkeypatch.chdir(pets / "train")
    fetched = export_to_store(store, request(export=".."), no_roboflow, tmp_path / "scratch")
    assert fetched.source.name == "pets"
    check_to_store(store, fetched, tmp_path / "scratch")


def test_an_export_that_was_sent_to_the_store_is_not_sent_again(store, pets, tmp_path):
    zips.pack(pets, tmp_path / "pets.zip")
    sent = store.upload(tmp_path / "pets.zip", keys.blob)
    fetched = export_to_store(store, request(export=f"store://{sent.key}"), no_roboflow, tmp_path / "scratch")
    assert (fetched.key, fetched.sha256, fetched.size) == (sent.key, sent.sha256, sent.size)
    assert check_to_store(store, fetched, tmp_path / "scratch").splits["valid"].images == 2
    store.put(sent.key, b"something else")
    with pytest.raises(NasflowError):
        check_to_store(store, fetched, tmp_path / "scratch")


@pytest.mark.parametrize(("values", "got"), [({}, "neither"), ({"workspace": "acme", "export": "x"}, "both")])
def test_labels_come_from_one_place(store, tmp_path, values, got):
    with pytest.raises(BadRequest, match=f"from a Roboflow workspace or from an export, got {got}; give one"):
        export_to_store(store, request(**values), no_roboflow, tmp_path / "scratch")


@pytest.mark.parametrize("export", ["/no/such.zip", "store://no/such.zip", f"store://{keys.blob(RUN)}"])
def test_an_export_that_is_not_there_is_named(store, tmp_path, export):
    with pytest.raises(BadExport, match=f"^{export}: no such "):
        export_to_store(store, request(export=export), no_roboflow, tmp_path / "scratch")


def test_labels_that_cannot_be_trained_on_are_not_stored(store, tmp_path):
    (write_export(tmp_path / "pets") / "train" / "_annotations.coco.json").write_text("[")
    fetched = export_to_store(store, request(export=str(tmp_path / "pets")), no_roboflow, tmp_path / "scratch")
    with pytest.raises(BadExport, match="not JSON"):
        check_to_store(store, fetched, tmp_path / "scratch")
    assert store.list("datasets/snapshots/") == []
    assert list((tmp_path / "scratch").iterdir()) == []


def test_roboflows_labels_become_a_snapshot(store, pets, tmp_path):
    zips.pack(pets, tmp_path / "pets.zip")
    with RoboflowServer((tmp_path / "pets.zip").read_bytes()) as server:
        settings = RoboflowSettings(api_key=SecretStr(KEY), api_url=server.url, deadline=20)
        fetched = export_to_store(store, request(workspace="acme"), lambda: settings, tmp_path / "scratch")
        with pytest.raises(BadSettings, match="API_KEY is empty"):
            export_to_store(store, request(workspace="acme"), RoboflowSettings, tmp_path / "scratch")
    assert (fetched.source.kind, fetched.source.name, fetched.source.version) == ("roboflow", "acme/pets", 10)
    reference = check_to_store(store, fetched, tmp_path / "scratch")
    snapshot = load_snapshot(store, reference.snapshot_digest)
    assert (snapshot.source, len(snapshot.images)) == (fetched.source, 6)


# Checkpoints on their way ------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "run").mkdir()
    return tmp_path / "run"


class Cancelled(BaseException):
    """What comes out of the blue when a flow run is cancelled."""


SAVED = ("last.ckpt", "history.jsonl")


def write_epoch(folder, epoch):
    """What a trainer has written after an epoch; gives the SHA-256 that it tells."""
    for name in ("history.jsonl", "best.safetensors", "last.ckpt"):
        aside = folder / f".{name}"
        aside.write_text(f"{name} {epoch}")
        aside.replace(folder / name)
    return file_sha256(folder / "last.ckpt")


def restored(store, tmp_path):
    manifest = restore_checkpoint(store, RUN, tmp_path / "restored", SAVED)
    if manifest is None:
        return None
    assert set(manifest.files) == set(SAVED)
    return manifest.epochs_done, {path.name: path.read_text() for path in (tmp_path / "restored").iterdir()}


def epoch(number):
    return number, {name: f"{name} {number}" for name in SAVED}


@contextmanager
def stopped(store, folder, lost=None):
    """An uploader beside training that is stopped before its end."""
    with suppress(Cancelled), CheckpointUploader(store, RUN, folder, lost or threading.Event()) as uploader:
        yield uploader
        raise Cancelled


def test_the_newest_checkpoint_goes_up_and_those_between_are_left_out(store, folder, tmp_path):
    with stopped(store, folder) as uploader:
        for number in range(1, 31):
            uploader.offer(number, write_epoch(folder, number))
    assert restored(store, tmp_path) == epoch(30)
    manifests = [key for key in store.list(keys.checkpoints(RUN)) if key.endswith("manifest.json")]
    assert len(manifests) <= 2
    assert not (folder / "spool").exists()


def test_a_checkpoint_that_waits_is_of_no_use_once_training_is_done(store, folder, tmp_path):
    with CheckpointUploader(store, RUN, folder, threading.Event()) as uploader:
        uploader.offer(1, write_epoch(folder, 1))
        wait_for(lambda: restored(store, tmp_path) == epoch(1))
        uploader.offer(2, write_epoch(folder, 2))
    assert restored(store, tmp_path) == epoch(1)


def test_a_checkpoint_that_was_replaced_meanwhile_is_not_sent_under_the_old_number(store, folder, tmp_path):
    with stopped(store, folder) as uploader:
        old = write_epoch(folder, 1)
        write_epoch(folder, 2)
        uploader.offer(1, old)
    assert restored(store, tmp_path) is None


def test_a_file_that_is_gone_is_told_and_the_next_checkpoint_goes_up(store, folder, tmp_path, caplog):
    with stopped(store, folder) as uploader:
        uploader.offer(1, "0" * 64)
        wait_for(lambda: "checkpoint of epoch 1 not sent" in caplog.text)
        uploader.offer(2, write_epoch(folder, 2))
    assert restored(store, tmp_path) == epoch(2)


def test_nothing_is_sent_once_the_run_belongs_to_another(store, folder, tmp_path):
    lost = threading.Event()
    with stopped(store, folder, lost) as uploader:
        lost.set()
        uploader.offer(1, write_epoch(folder, 1))
    assert restored(store, tmp_path) is None


def wait_for(what, seconds=60):
    deadline = time.monotonic() + seconds
    while not (found := what()):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return found


# Training and evaluation -------------------------------------------------------------------------


@pytest.fixture
def job(store, tmp_path, monkeypatch):
    """A job on labels in the store: six epochs of two steps."""
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    draw_export(tmp_path / "labels", 1, train=8, valid=2, test=2, size=64)
    wanted = request(export=str(tmp_path / "labels"), epochs=6, image_size=64, batch_size=4, learning_rate=1e-3)
    fetched = export_to_store(store, wanted, no_roboflow, tmp_path / "scratch")
    reference = check_to_store(store, fetched, tmp_path / "scratch")
    return plan(wanted, reference, None), reference


class Machine:
    """A worker's machine: its folder, and what its trainer told."""

    def __init__(self, folder: Path) -> None:
        self.settings = WorkSettings(work_dir=folder, checkpoint_every_minutes=0.01)
        self.events: list[dict] = []

    def started(self):
        """Epochs that each trainer process began with."""
        return [event["resumed_from_epoch"] for event in self.events if event["event"] == "started"]


def trainers():
    """Trainer processes of this one; the store is a child of it, too."""
    return [child for child in psutil.Process().children() if "tasks.training.worker" in child.cmdline()]


def assert_detected(store, job, model, detected, machine):
    """Both splits of two images each, a batch each, are in the store, and nothing is left on the machine."""
    steps = [(event["step"], event["steps"]) for event in machine.events if event["event"] == "step"]
    assert steps == [(1, 2), (2, 2)]
    assert detected.valid is not None
    for stored in (detected.measured, detected.valid):
        assert stored.key == keys.detections(job.run_key, job.snapshot_digest, stored.sha256)
        assert {found["image_id"] for found in json.loads(store.get(stored.key)[0])} <= {1, 2}
    assert (detected.speed.file_bytes, detected.speed.batch) == (model.weights.size, 16)
    assert list((machine.settings.work_dir / "detections").iterdir()) == []


def test_a_run_is_stopped_goes_on_elsewhere_survives_a_kill_and_is_measured(store, job, tmp_path, caplog):
    caplog.set_level(logging.INFO)
    job, reference = job
    run_key = job.spec.digest

    # Stopped on one machine after its second epoch; the checkpoint of that moment is in the store.
    first = Machine(tmp_path / "first")

    def stop_after_second_epoch(event):
        first.events.append(event)
        if event["event"] == "epoch" and event["epoch"] == 2:
            raise Cancelled

    with pytest.raises(Cancelled):
        train_in_store(store, job, "first", first.settings, stop_after_second_epoch)
    assert find_model(store, run_key) is None
    manifest = restore_checkpoint(store, run_key, tmp_path / "newest", [])
    assert manifest.files["last.ckpt"].sha256 == file_sha256(first.settings.work_dir / "runs" / run_key / "last.ckpt")
    assert json.loads(store.get(keys.run_state(run_key))[0])["status"] == "released"

    # Another machine, whose own checkpoint is damaged, goes on from there, and its trainer is killed once.
    second = Machine(tmp_path / "second")
    own = tmp_path / "second" / "runs" / run_key
    own.mkdir(parents=True)
    shutil.copy(first.settings.work_dir / "runs" / run_key / "history.jsonl", own)
    (own / "last.ckpt").write_bytes(b"{ \xff damaged")

    def kill_once(event):
        second.events.append(event)
        further = event["event"] == "checkpoint" and event["epochs_done"] > manifest.epochs_done
        if further and len(second.started()) == 1:
            trainers()[0].kill()

    model = train_in_store(store, job, "second", second.settings, kill_once)
    assert second.started()[0] == manifest.epochs_done >= 2
    assert len(second.started()) == 2
    assert second.started()[1] > manifest.epochs_done
    assert "not a readable checkpoint" in caplog.text
    assert "killed by SIGKILL" in caplog.text
    assert (model.result.epochs_done, model.result.resumed_from_epoch) == (6, second.started()[1])
    history = [json.loads(line)["epoch"] for line in store.get(model.history.key)[0].splitlines()]
    assert history == [1, 2, 3, 4, 5, 6]
    assert find_model(store, run_key) == model
    assert hashlib.sha256(store.get(model.weights.key)[0]).hexdigest() == model.result.weights_sha256
    assert store.list(keys.checkpoints(run_key)) == []
    assert json.loads(store.get(keys.run_state(run_key))[0])["status"] == "finished"
    assert not (second.settings.work_dir / "runs" / run_key).exists()

    # The same again is the stored model at once, without any process. What a worker that was lost left behind goes.
    save_checkpoint(store, run_key, 6, {"last.ckpt": first.settings.work_dir / "runs" / run_key / "last.ckpt"})
    third = Machine(tmp_path / "third")
    assert train_in_store(store, job, "third", third.settings, third.events.append) == model
    assert store.list(keys.checkpoints(run_key)) == []
    assert (third.events, third.settings.work_dir.exists()) == ([], False)

    assert_measured(store, model, reference, third)


def assert_measured(store, model, reference, machine):
    """The model can be measured on another machine: numbers, page and report."""
    measured = job_for(model, reference)
    assert measured.split == "test"
    assert find_evaluation(store, measured, model) is None
    detected = detect_in_store(store, measured, machine.settings, machine.events.append)
    assert_detected(store, measured, model, detected, machine)
    report = evaluate_in_store(store, measured, detected, machine.settings)
    assert (report.counts.images, report.weights_sha256) == (2, model.weights.sha256)
    assert set(report.scores.per_class) == set(reference.classes)
    page = store.get(keys.evaluation_page(keys.run(model.run_key)))[0].decode()
    assert f"{report.scores.map:.3f}" in page
    evaluation = Evaluation.model_validate_json(store.get(report.evaluation.key)[0])
    assert (evaluation.scores, evaluation.speed) == (report.scores, report.speed)
    assert evaluation.point.chosen_on == report.scores.threshold_from == "valid"
    assert find_evaluation(store, measured, model) == report
    assert evaluate_in_store(store, measured, detected, machine.settings) == report


def test_a_checkpoint_that_is_refused_here_and_in_the_store_ends_the_run(store, job, tmp_path):
    job, _ = job
    machine = Machine(tmp_path / "machine")
    (tmp_path / "last.ckpt").write_bytes(b"of another kind")
    save_checkpoint(store, job.spec.digest, 1, {"last.ckpt": tmp_path / "last.ckpt"})
    with pytest.raises(BadCheckpoint, match="not a readable checkpoint"):
        train_in_store(store, job, "one", machine.settings, machine.events.append)
    assert find_model(store, job.spec.digest) is None


def test_a_trainer_that_is_killed_again_and_again_is_given_up(store, job, tmp_path):
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
            train_in_store(store, job, "one", machine.settings, machine.events.append)
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
def test_splits_that_are_detected_on(measured, labels, splits):
    """Boxes of the one image of each split; thresholds are chosen on valid, where that has any."""
    image = {"file_name": "a.png", "sha256": RUN, "size": 1, "width": 9, "height": 9}
    images = [LabelledImage(split=split, boxes=[(0, 1, 1, 5, 5)] * boxes, **image) for split, boxes in labels.items()]
    snapshot = DatasetSnapshot(classes=("cat",), images=images, source=LabelSource(kind="file", name="pets"))
    asked = EvaluateJob(run_key=RUN, snapshot_digest=snapshot.digest, split=measured)
    assert splits_to_detect(asked, snapshot) == splits


def test_an_unfinished_run_cannot_be_measured(store, job, tmp_path):
    job, reference = job
    asked = EvaluateJob(run_key=job.spec.digest, snapshot_digest=reference.snapshot_digest, split="test")
    with pytest.raises(NasflowError, match="has no finished model in the store; train it first"):
        detect_in_store(store, asked, WorkSettings(work_dir=tmp_path / "work"), lambda event: None)
