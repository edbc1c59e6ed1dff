"""Housekeeping in a real store: what is needed stays whole, whoever is killed and whoever writes meanwhile."""

import json
import os
import random
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tasks.errors import LeaseHeld
from tasks.evaluation.in_store import find_evaluation, job_for
from tasks.evaluation.page_in_store import write_page
from tasks.housekeeping import in_store, removal
from tasks.labeling.in_store import check_to_store, export_to_store
from tasks.promotion.aliases import find_alias, move_alias
from tasks.promotion.champion import find_champion_run
from tasks.promotion.registry import CHAMPION, Publication, find_version, publish
from tasks.records import AliasMove, PromotionDecision, RetrainRequest, TrainedModel
from tasks.settings import RoboflowSettings, WorkSettings
from tasks.storage import keys, s3
from tasks.storage.blob_cache import BlobCache
from tasks.storage.checkpoints import restore_checkpoint, save_checkpoint
from tasks.storage.datasets import fetch_dataset, load_snapshot, reuse_export, save_export, save_manifest
from tasks.storage.documents import put_record
from tasks.storage.lease_watch import RunObservation
from tasks.storage.leases import hold_lease, wait_for_lease
from tasks.storage.runs import find_model, reuse_model
from tasks.storage.s3 import Store
from tasks.storage.sweeps import housekeeper, take_for_removal, undisturbed
from tests.fakes.cleaner import after, cleaned, counted
from tests.fakes.finished_runs import evaluated, finished_run, stored_labels
from tests.fakes.lease_holders import holder

KILLS = 4
ROUNDS = 3
DEADLINE = 120


@pytest.fixture
def labels(store, tmp_path):
    return stored_labels(store, tmp_path)


@pytest.fixture(autouse=True)
def renewed_at_once(monkeypatch):
    """Seconds stand for days here, so what is found again is renewed however young it is."""
    monkeypatch.setattr(s3, "RENEWED_AFTER", -s3.RENEWED_AFTER)


def published(store, folder, labels, model):
    """Publish a model, and make it the champion."""
    report = evaluated(store, folder, labels, model, 0.5)
    store.download(model.weights, folder / "weights")
    (folder / "page").write_text("a page")
    decision = PromotionDecision(
        promote=True, verdict="promote", reason="First.", candidate_map=0.5, champion_map=None, champion_version=None
    )
    publication = Publication("pets", model, report, decision, folder / "weights", folder / "page")
    card = publish(store, publication, lambda: datetime.now(UTC))
    move_alias(store, "pets", CHAMPION, AliasMove(version=1, at=card.created_at, reason="First."), None)
    return card


def stopped_run(store, folder, labels):
    """A run that was cancelled, with a checkpoint."""
    spec = finished_run(store, folder, labels, 99).spec
    run_key = spec.digest
    store.delete([keys.run_state(run_key)])
    put_record(store, keys.run_spec(run_key), spec)
    with wait_for_lease(store, run_key, holder("cancelled"), 60) as lease:
        (folder / "last.ckpt").write_bytes(b"state")
        save_checkpoint(lease.store, run_key, 3, {"last.ckpt": folder / "last.ckpt"})
    return run_key


def assert_champion_whole(store, folder):
    """Read all that a champion's report, a replay and a comparison need."""
    card = find_version(store, "pets", find_alias(store, "pets", CHAMPION).version)
    assert card is not None
    for file in (card.weights, card.report):
        store.download(file, folder / "read")
    snapshot = load_snapshot(store, card.snapshot_digest)
    fetch_dataset(store, snapshot.digest, folder / f"data-{time.monotonic_ns()}", BlobCache(folder / "none", 0))
    labels = save_manifest(store, snapshot)
    model, obstacle = find_champion_run(store, card, labels)
    assert obstacle is None
    assert model is not None
    for file in (model.weights, model.history):
        store.download(file, folder / "read")
    report = find_evaluation(store, job_for(model.run_key, labels), model)
    assert report is not None
    for file in (report.detections, report.evaluation):
        store.download(file, folder / "read")
    write_page(store, model, report, WorkSettings(work_dir=folder))


def assert_nothing_claims_more_than_there_is(store):
    """Manifests have their images; finished runs their files; reports theirs."""
    there = set(store.list(""))
    for key in store.list(keys.snapshots()):
        assert {keys.blob(image.sha256) for image in load_snapshot(store, Path(key).stem).images} <= there
    run_keys = {key.split("/")[1] for key in there if key.startswith(keys.all_runs())}
    models = [model for run_key in run_keys if (model := find_model(store, run_key))]
    assert {file.key for model in models for file in (model.weights, model.history)} <= there


def test_what_is_needed_stays_whole_and_the_rest_goes(store, labels, tmp_path):
    published(store, tmp_path, labels, finished_run(store, tmp_path, labels, 1))
    others, kept = stored_labels(store, tmp_path, 2), stored_labels(store, tmp_path, 3)
    unused = finished_run(store, tmp_path, others, 2)
    evaluated(store, tmp_path, others, unused, 0.5)
    champion = find_model(store, find_version(store, "pets", 1).run_key)
    assert champion is not None
    evaluated(store, tmp_path, others, champion, 0.5)
    stopped = stopped_run(store, tmp_path, kept)
    store.put(keys.probe("f" * 32), b"left")
    for key in (keys.pretrained_file("a" * 64, "yolo_nas_s_coco.pth"), keys.pretrained_manifest("a" * 64)):
        store.put(key, b"published")
    store.put("mine/export.zip", b"a file of other people")
    address = {"Bucket": store._settings.bucket, "Key": f"{store._prefix}{keys.blob('e' * 64)}"}
    store._client.create_multipart_upload(**address)
    now, before = after(store), store.list("")

    found = counted(store, now)
    assert store.list("") == before
    assert found.removed is False
    removed = cleaned(store, now)
    assert removed.kinds == found.kinds
    assert {kind for kind, amount in found.kinds.items() if amount.objects} == {
        "images and exports", "snapshots", "published weights", "evaluations", "runs", "probes", "unfinished uploads",
    }  # fmt: skip

    gone = set(before) - set(store.list(""))
    assert len(gone) == removed.total.objects - 1  # the upload is no object
    assert not store.list(keys.run(unused.run_key))
    assert not store.exists(keys.snapshot(others.snapshot_digest))
    assert not any("detections/" + others.snapshot_digest in key for key in store.list(keys.run(champion.run_key)))
    assert store.exists("mine/export.zip")
    assert store.open_uploads("") == []
    assert_champion_whole(store, tmp_path)
    fetch_dataset(store, kept.snapshot_digest, tmp_path / "kept", BlobCache(tmp_path / "none", 0))
    assert restore_checkpoint(store, stopped, tmp_path / "restored", ["last.ckpt"]).epochs_done == 3
    assert cleaned(store, now).total.objects == 0


def test_a_finished_run_loses_the_checkpoints_that_a_killed_worker_left(store, labels, tmp_path):
    model = finished_run(store, tmp_path, labels, 1)
    (tmp_path / "last.ckpt").write_bytes(b"state")
    save_checkpoint(store, model.run_key, 3, {"last.ckpt": tmp_path / "last.ckpt"})
    removed = in_store.remove(store, timedelta(days=1))
    assert {kind for kind, amount in removed.kinds.items() if amount.objects} == {"checkpoints"}
    assert store.list(keys.checkpoints(model.run_key)) == []
    assert find_model(store, model.run_key) == model


# Runs that are used again, or begin anew ------------------------------------------------------------


def test_a_run_that_is_used_again_meanwhile_is_left(store, labels, tmp_path):
    models = {finished_run(store, tmp_path, labels, seed).run_key: seed for seed in (1, 2)}
    now = after(store)
    reused: dict[str, TrainedModel | None] = {}

    def use_the_other(done, total):
        if not reused:
            reused.update({key: reuse_model(store, key) for key in models})

    report = cleaned(store, now, use_the_other)
    (gone,), (left,) = ([key for key, model in reused.items() if (model is None) is lost] for lost in (True, False))
    assert report.left == 1
    assert store.list(keys.run(gone)) == []
    store.download(reused[left].weights, tmp_path / "read")
    assert cleaned(store, now).left == 0
    assert find_model(store, left) == reused[left]


def test_a_run_that_is_being_removed_has_no_model_and_begins_anew_after_it(store, labels, tmp_path):
    model = finished_run(store, tmp_path, labels, 1)
    _, etag = store.get(keys.run_state(model.run_key))
    observation = RunObservation(model.run_key)
    with take_for_removal(store, model.run_key, etag, housekeeper(), 60) as lease:
        assert reuse_model(store, model.run_key) is None
        observation.look(store)
        with pytest.raises(LeaseHeld):
            hold_lease(store, observation, holder("a trainer"), 60)
        lease.remove()
    assert not store.exists(keys.run_state(model.run_key))
    observation.look(store)
    with hold_lease(store, observation, holder("a trainer"), 60) as lease:
        lease.confirm()


@pytest.mark.parametrize("size", [1000, s3.MULTIPART_BYTES + 1])
def test_an_export_that_is_found_again_is_as_good_as_new(store, tmp_path, size, monkeypatch):
    (tmp_path / "export.zip").write_bytes(bytes(size))
    stored = save_export(store, tmp_path / "export.zip")
    now, before = after(store), store.entries(keys.blobs())
    assert reuse_export(store, stored.key) == size
    assert store.entries(keys.blobs())[0].modified > before[0].modified
    store.download(stored, tmp_path / "read")
    assert save_export(store, tmp_path / "export.zip") == stored
    assert cleaned(store, now).total.objects == 0

    monkeypatch.setattr(s3, "RENEWED_AFTER", abs(s3.RENEWED_AFTER))
    before = store.entries(keys.blobs())
    time.sleep(1.1)  # the store's times have whole seconds
    reuse_export(store, stored.key)
    assert store.entries(keys.blobs()) == before


def test_an_export_that_is_removed_just_when_it_was_found_is_written_again(store, store_settings, tmp_path):
    class Removed(Store):
        """Of which housekeeping removes an object the moment before it is renewed for the first time."""

        def renew(self, key):
            if not removed:
                removed.append(key)
                self.delete([key])
            super().renew(key)

    removed: list[str] = []
    (tmp_path / "export.zip").write_bytes(b"labels")
    stored = save_export(store, tmp_path / "export.zip")
    assert save_export(Removed(store_settings), tmp_path / "export.zip") == stored
    assert removed == [stored.key]
    store.download(stored, tmp_path / "read")


# Real processes -------------------------------------------------------------------------------------


class Cleaner:
    """Housekeeping in a process of its own, one object at a time."""

    def __init__(self, environment, now):
        command = [sys.executable, "-m", "tests.fakes.cleaner", now.isoformat()]
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env={**os.environ, **environment}
        )

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.communicate()

    def step(self):
        """Let it go on to the next object; whether there was one."""
        line = self.process.stdout.readline()
        return line == "removed\n"

    def go_on(self):
        self.process.stdin.write("\n")
        self.process.stdin.flush()

    def finish(self):
        self.go_on()
        while self.step():
            self.go_on()
        assert self.process.wait(timeout=DEADLINE) == 0


def test_killed_at_any_instant_nothing_claims_to_be_whole_that_is_not(store, store_environment, labels, tmp_path):
    published(store, tmp_path, labels, finished_run(store, tmp_path, labels, 1))
    for seed in range(2, 4):
        others = stored_labels(store, tmp_path, seed)
        evaluated(store, tmp_path, others, finished_run(store, tmp_path, others, seed), 0.5)
    dice, now, left = random.Random(3), after(store), []
    for _ in range(KILLS):
        with Cleaner(store_environment, now) as cleaner:
            for _ in range(dice.choice([0, 1, 2, 10])):
                cleaner.step()
                cleaner.go_on()
            time.sleep(dice.uniform(0, 0.05))
        assert_nothing_claims_more_than_there_is(store)
        left.append(len(store.list("")))
    assert len(set(left)) > 2
    cleaned(store, now)
    assert counted(store, now).total.objects == 0
    assert not store.exists(keys.snapshot(others.snapshot_digest))
    assert_champion_whole(store, tmp_path)


@pytest.mark.parametrize("steps", [1, 5])
def test_labels_that_are_saved_again_during_a_removal_are_whole(store, store_environment, labels, tmp_path, steps):
    snapshot, now, saved = labels.snapshot_digest, after(store), []
    request = RetrainRequest(project="pets", export=str(tmp_path / "labels-1"))
    export = export_to_store(store, request, RoboflowSettings, tmp_path / "scratch")
    with Cleaner(store_environment, now) as cleaner:
        for _ in range(steps - 1):
            assert cleaner.step()
            cleaner.go_on()
        assert cleaner.step()  # it waits, with the lease in hand and the snapshot's manifest gone
        assert not store.exists(keys.snapshot(snapshot))
        saving = threading.Thread(target=lambda: saved.append(check_to_store(store, export, tmp_path / "scratch")))
        saving.start()
        while not store.exists(keys.run_waiting(keys.HOUSEKEEPING)):
            assert saving.is_alive()  # else it did not wait
            time.sleep(0.01)
        cleaner.finish()
        saving.join(DEADLINE)
    assert saved == [labels]
    assert_nothing_claims_more_than_there_is(store)
    fetch_dataset(store, snapshot, tmp_path / "data", BlobCache(tmp_path / "none", 0))


def test_labels_that_are_saved_again_at_about_the_same_time_are_whole(store, store_environment, labels, tmp_path):
    dice = random.Random(5)
    for at in range(ROUNDS):
        with Cleaner(store_environment, after(store)) as cleaner:
            finishing = threading.Thread(target=cleaner.finish)
            finishing.start()
            time.sleep(dice.uniform(0, 2))
            assert stored_labels(store, tmp_path) == labels
            finishing.join(DEADLINE)
        assert_nothing_claims_more_than_there_is(store)
        fetch_dataset(store, labels.snapshot_digest, tmp_path / f"data-{at}", BlobCache(tmp_path / "none", 0))


def test_of_two_at_once_one_says_so_and_a_killed_one_is_followed(store, store_environment, labels, monkeypatch):
    now = after(store)
    with Cleaner(store_environment, now) as cleaner:
        assert cleaner.step()
        with pytest.raises(LeaseHeld, match="removed already"):
            cleaned(store, now)
    monkeypatch.setattr(in_store, "ROUND_SECONDS", 0)
    monkeypatch.setattr(removal, "BATCH", 10)
    assert cleaned(store, now).total.objects > 10  # in several rounds
    assert store.list(keys.blobs()) == []


def test_a_run_that_waits_comes_in_between_two_rounds(store, labels, monkeypatch):
    monkeypatch.setattr(in_store, "ROUND_SECONDS", 0)
    calls: list[list[str]] = []
    threads: list[threading.Thread] = []
    results: list[str] = []

    def use():
        calls.append(store.list(keys.blobs()))
        time.sleep(2 * len(calls) - 2)  # the second time until the next round would begin
        return "used"

    def on_progress(done, total):
        if threads:
            return
        thread = threading.Thread(target=lambda: results.append(undisturbed(store, use)))
        threads.append(thread)
        thread.start()
        while not store.exists(keys.run_waiting(keys.HOUSEKEEPING)):
            assert thread.is_alive()
            time.sleep(0.01)

    cleaned(store, after(store), on_progress)
    [thread] = threads
    thread.join(DEADLINE)
    assert results == ["used"]
    assert len(calls) == 2
    assert calls[1] != []  # it did not wait for the end
    assert store.list(keys.blobs()) == []


def test_the_flow_removes_and_shows_a_table(prefect_server, store, store_environment, labels, tmp_path):
    model = finished_run(store, tmp_path, labels, 1)
    store.put(keys.checkpoint_manifest(model.run_key, 1), b"left by a killed worker")
    code = "from flows.clean import clean; from tasks.records import CleanJob; clean(CleanJob(remove=True))"
    environment = {**prefect_server.environment, **store_environment}
    subprocess.run([sys.executable, "-c", code], check=True, env=environment, timeout=300)
    assert store.list(keys.checkpoints(model.run_key)) == []
    (artifact,) = prefect_server.api("/artifacts/filter", {"artifacts": {"key": {"any_": ["clean"]}}})
    counts = {row["kind"]: row["objects"] for row in json.loads(artifact["data"])}
    assert counts["checkpoints"] == 1
    assert sum(counts.values()) == 1
