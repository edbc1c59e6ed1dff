"""What stands for GPU workers: deployments train/train and evaluate/evaluate whose runs take no time.

A run by recipe 0 gave a model that detects a quarter of all boxes; the present one gives a model that detects all.
"""

import os
import tempfile
from pathlib import Path

from prefect import flow, serve
from prefect.deployments.runner import RunnerDeployment

from tasks.records import EvaluateJob, SnapshotRef, TrainJob
from tasks.storage.datasets import load_snapshot
from tasks.storage.runs import find_model
from tasks.storage.s3 import Store
from tests.fakes.finished_runs import evaluated, exported, finished_run_of

SHARES = {0: 0.25}


@flow(name="train", persist_result=False)
def train(job: TrainJob) -> None:
    """Leave a finished run."""
    with tempfile.TemporaryDirectory() as folder:
        finished_run_of(Store.from_environment(), Path(folder), job.spec, job.spec.digest.encode())


@flow(name="evaluate", persist_result=False)
def evaluate(job: EvaluateJob) -> None:
    """Leave detections of a quality that depends on the recipe, and score them."""
    store = Store.from_environment()
    model, snapshot = find_model(store, job.run_key), SnapshotRef.of(load_snapshot(store, job.snapshot_digest))
    assert model is not None, f"evaluate before train: {job.run_key}"
    with tempfile.TemporaryDirectory() as folder:
        share = SHARES.get(model.spec.recipe, 1.0)
        report = evaluated(store, Path(folder), snapshot, model, share)
        if job.export:
            exported(store, Path(folder), report)


if __name__ == "__main__":
    os.chdir(Path(__file__).parents[2])
    deployments = [RunnerDeployment.from_flow(one, one.name) for one in (train, evaluate)]
    serve(*deployments, print_starting_message=False)
