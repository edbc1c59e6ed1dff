"""The trainer that sleeps does what the parent of ours relies on: files, events, a kill, and going on."""

from pathlib import Path

import pytest

import tasks
from tasks.evaluation.in_store import job_for
from tasks.records import RetrainRequest
from tasks.settings import WorkSettings
from tasks.storage.runs import find_model
from tasks.training.spec import plan
from tasks.training.stored_detections import find_detections
from tasks.training.training_in_store import train_in_store
from tests.fakes.finished_runs import stored_labels
from tests.fakes.lease_holders import holder
from tests.fleet.history import EPOCHS
from tests.fleet.trainer import KILLED_EVERY


@pytest.mark.parametrize("seed", [0, KILLED_EVERY - 1], ids=["undisturbed", "killed"])
def test_a_run_has_a_model_and_detections_and_a_killed_one_went_on(store, tmp_path, monkeypatch, seed):
    monkeypatch.setenv("NASFLOW_TRAINER", "tests.fleet.trainer")
    monkeypatch.setenv("PYTHONPATH", str(Path(tasks.__file__).parents[1]))
    snapshot = stored_labels(store, tmp_path)
    job = plan(RetrainRequest(project="pets", epochs=EPOCHS, seed=seed), snapshot, None)
    evaluation = job_for(job.spec.digest, snapshot)
    job = job.model_copy(update={"evaluation": evaluation})
    events = []
    settings = WorkSettings(work_dir=tmp_path / "work")
    model = train_in_store(store, job, holder("one"), settings, lambda event: events.append(event.event))
    assert find_model(store, job.spec.digest) == model
    assert find_detections(store, evaluation, model) is not None
    assert model.result.epochs_done == EPOCHS
    assert events.count("epoch") == events.count("checkpoint") == EPOCHS
    killed = seed > 0
    assert events.count("started") == 1 + killed
    assert model.result.resumed_from_epoch == (EPOCHS // 2 if killed else None)
