"""Studies of settings on a real store and a real Prefect server, whose training runs a thread plays as a worker would.

The thread takes the runs that wait, puts a history into the store after each epoch as checkpoints do, and ends a run
that is cancelled. How good a model becomes is decided by its learning rate: the nearer to 0.002, the better.
"""

import hashlib
import json
import math
import threading
import time
from contextlib import contextmanager
from datetime import UTC, datetime

import pytest
from prefect import flow
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.client.schemas.filters import (
    FlowFilter,
    FlowFilterName,
    FlowRunFilter,
    FlowRunFilterState,
    FlowRunFilterStateName,
)
from prefect.states import Cancelled, Completed, Failed, Running

from tasks.local.threads import in_context
from tasks.records import RetrainRequest, RunState, SettingsSpace, StoredFile, TrainedModel, TrainJob, Trial
from tasks.storage import keys
from tasks.storage.checkpoints import save_checkpoint
from tasks.storage.documents import put_record, read_record
from tasks.studies import trial_runs
from tasks.studies.combinations import all_combinations, request_of
from tasks.studies.differences import differences
from tasks.studies.histories import best_maps
from tasks.studies.in_store import store_study
from tasks.studies.outcome import in_order, outcome, settings_of
from tasks.studies.trial_runs import TrialRuns
from tasks.studies.trials import Combinations, Search
from tasks.training.spec import plan
from tests.fakes.evaluations import epoch, result
from tests.fakes.finished_runs import evaluated, finished_run, stored_labels
from tests.fakes.lease_holders import holder
from tests.fakes.prefect_server import prefect_server

EPOCHS = 10
REQUEST = RetrainRequest(project="pets", epochs=EPOCHS, image_size=64, batch_size=4, learning_rate=0.002)
STUDY = ("pets", "e" * 64)


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """A server with a deployment of train, whose runs no worker takes."""
    with prefect_server(tmp_path_factory.mktemp("prefect")), get_client(sync_client=True) as client:
        client.create_work_pool(WorkPoolCreate(name="gpu", type="process"))
        flow_id = client.create_flow_from_name("train")
        client.create_deployment(flow_id, "train", work_pool_name="gpu", enforce_parameter_schema=False)
        yield client


@pytest.fixture
def labels(store, tmp_path):
    return stored_labels(store, tmp_path)


@pytest.fixture(autouse=True)
def environment(store_environment, monkeypatch):
    """The store of this test in the environment, and short pauses."""
    for name, value in store_environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(trial_runs, "HISTORY_SECONDS", 0.2)


class PlayedWorkers:
    """Takes the train runs that wait, so many at once, and plays them."""

    def __init__(self, server, store, folder, *, workers=1, failing=(), pause=0.1):
        self.server, self.store, self.folder = server, store, folder
        self.workers, self.failing, self.pause = workers, failing, pause
        self.at_once, self.epochs, self.finished = [], {}, []
        self._running, self._ended = {}, threading.Event()

    @contextmanager
    def at_work(self):
        for number in range(self.workers):
            self.server.send_worker_heartbeat("gpu", f"worker {number}")
        thread = threading.Thread(target=in_context(self._work))
        thread.start()
        try:
            yield
        finally:
            self._ended.set()
            thread.join()

    def _work(self):
        with get_client(sync_client=True) as client:
            while not self._ended.is_set():
                for run in self._runs(client, "Scheduled")[: self.workers - len(self._running)]:
                    client.set_flow_run_state(run.id, Running(), force=True)
                    self._running[run.id] = TrainJob.model_validate(run.parameters["job"])
                self.at_once.append(len(self._runs(client, "Scheduled", "Running")))
                for run_id in [run.id for run in self._runs(client, "Cancelling")]:
                    client.set_flow_run_state(run_id, Cancelled(), force=True)
                    self._running.pop(run_id, None)
                for run_id, job in tuple(self._running.items()):
                    self._go_on(client, run_id, job)
                time.sleep(self.pause)

    def _runs(self, client, *names):
        states = FlowRunFilterState(name=FlowRunFilterStateName(any_=list(names)))
        of_train = FlowFilter(name=FlowFilterName(any_=["train"]))
        return client.read_flow_runs(flow_filter=of_train, flow_run_filter=FlowRunFilter(state=states))

    def _go_on(self, client, run_id, job):
        done = self.epochs[job.spec.digest] = self.epochs.get(job.spec.digest, 0) + 1
        if done == 2 and job.spec.learning_rate in self.failing:
            client.set_flow_run_state(run_id, Failed(message="OutOfMemory: 3 images do not fit"), force=True)
            del self._running[run_id]
            return
        history = self.folder / "history.jsonl"
        history.write_text(
            "".join(epoch(n, quality(job.spec) * n / EPOCHS).model_dump_json() + "\n" for n in range(1, done + 1))
        )
        save_checkpoint(self.store, job.spec.digest, done, {"history.jsonl": history})
        if done == EPOCHS:
            finish(self.store, job.spec, history)
            self.finished.append(job.spec.digest)
            client.set_flow_run_state(run_id, Completed(), force=True)
            del self._running[run_id]


def quality(spec):
    return max(0.02, 0.6 - 0.5 * abs(math.log10(spec.learning_rate / 0.002)))


def finish(store, spec, history):
    weights = StoredFile(key=keys.run_weights(spec.digest, "3" * 64), sha256="3" * 64, size=1)
    stored = store.upload(history, lambda sha256: keys.run_history(spec.digest, sha256))
    model = TrainedModel(
        run_key=spec.digest, spec=spec, result=result(run_key=spec.digest), weights=weights, history=stored
    )
    state = RunState(
        run_key=spec.digest, status="finished", holder=holder("a worker"), lease="a", lease_seconds=60, renewals=0,
        renewed_at=datetime.now(UTC), epochs_done=EPOCHS, model=model,
    )  # fmt: skip
    put_record(store, keys.run_state(spec.digest), state)


def train(store, labels, trials):
    """Train the trials in a flow run, and give the texts of its progress."""
    texts = []

    def job_of(trial):
        return plan(request_of(REQUEST, trial.settings), labels, None)

    @flow(name="study-settings", persist_result=False)
    def study():
        TrialRuns(store, trials, job_of, lambda done, total, text: texts.append(text)).train()

    study()
    return texts


def search(store, labels, trials):
    base = settings_of(plan(REQUEST, labels, None).spec)
    space = SettingsSpace(trials=trials)
    return Search(store, STUDY, base, space, labels.splits["train"].images, REQUEST.seed)


def stored_trials(store):
    return [read_record(store, key, Trial)[0] for key in sorted(store.list(keys.study_trials(*STUDY)))]


def test_as_many_trials_are_open_as_there_are_workers(server, store, labels, tmp_path):
    trials = Combinations(all_combinations(REQUEST, SettingsSpace(variants=("s", "m"), image_sizes=(64, 96, 128))))
    workers = PlayedWorkers(server, store, tmp_path, workers=2)
    with workers.at_work():
        texts = train(store, labels, trials)
    assert [trial.status for trial in trials.all()] == ["trained"] * 6
    assert max(workers.at_once) == 2
    assert len(workers.finished) == 6
    assert texts[-1].startswith("6 of 6 models, about 0:00:00 left")


def test_finished_runs_are_used_again(server, store, labels, tmp_path):
    space = SettingsSpace(variants=("s", "m"))
    with PlayedWorkers(server, store, tmp_path).at_work():
        train(store, labels, Combinations(all_combinations(REQUEST, space)))
    trials = Combinations(all_combinations(REQUEST, SettingsSpace(variants=("s", "m", "l"))))
    workers = PlayedWorkers(server, store, tmp_path)
    with workers.at_work():
        train(store, labels, trials)
    assert [trial.status for trial in trials.all()] == ["trained"] * 3
    assert len(workers.finished) == 1


def test_a_trial_that_fails_is_named_and_the_others_go_on(server, store, labels, tmp_path):
    trials = search(store, labels, 3)
    with PlayedWorkers(server, store, tmp_path, failing={REQUEST.learning_rate}).at_work():
        train(store, labels, trials)
    assert [trial.status for trial in stored_trials(store)] == ["failed", "trained", "trained"]
    assert stored_trials(store)[0].why == "3 images do not fit"

    with PlayedWorkers(server, store, tmp_path).at_work():  # asked again, it is tried again
        train(store, labels, search(store, labels, 3))
    assert [trial.status for trial in stored_trials(store)] == ["trained"] * 3


def test_hopeless_trials_are_stopped_early_and_their_checkpoint_stays(server, store, labels, tmp_path):
    with PlayedWorkers(server, store, tmp_path, workers=3, pause=0.6).at_work():
        train(store, labels, search(store, labels, 12))
    trials = stored_trials(store)
    stopped = [trial for trial in trials if trial.status == "stopped"]
    assert stopped, [trial.status for trial in trials]
    assert {trial.status for trial in trials} == {"trained", "stopped"}
    for trial in stopped:
        assert max(trial.maps) < EPOCHS
        assert "is behind the median of the others" in trial.why
        assert best_maps(store, trial.run_key)
    worst = min(trial.best_map / max(trial.maps) for trial in trials if trial.status == "trained")
    assert min(trial.best_map / max(trial.maps) for trial in stopped) <= worst + 0.02


def test_a_search_that_was_killed_goes_on_with_its_open_trial(server, store, labels, tmp_path):
    first = search(store, labels, 4)
    opened = [first.next(), first.next()]  # and its process is killed
    workers = PlayedWorkers(server, store, tmp_path)
    with workers.at_work():
        train(store, labels, search(store, labels, 4))
    trials = stored_trials(store)
    assert [trial.settings for trial in trials[:2]] == [trial.settings for trial in opened]
    assert len(trials) == 4
    assert all(trial.status in ("trained", "stopped") for trial in trials)


def test_a_finished_search_can_be_given_more_trials(server, store, labels, tmp_path):
    for count in (2, 4):
        workers = PlayedWorkers(server, store, tmp_path)
        with workers.at_work():
            train(store, labels, search(store, labels, count))
        assert len(stored_trials(store)) == count
    assert len(workers.finished) == 2


def test_two_searches_at_once_share_the_trials(store, labels):
    first, second = search(store, labels, 3), search(store, labels, 3)
    chosen = [first.next(), second.next(), first.next()]
    assert [trial.number for trial in chosen] == [1, 2, 3]
    assert (first.next(), second.next()) == (None, None)


def test_models_are_compared_on_the_same_images_and_the_page_is_stored(store, labels, tmp_path):
    measured = []
    for seed, (share, latency) in enumerate(((1.0, 40.0), (0.5, 10.0), (0.9, 20.0))):
        model = finished_run(store, tmp_path, labels, seed)
        measured.append((model, evaluated(store, tmp_path, labels, model, share, latency)))
    measured = in_order(measured)
    assert [report.speed.latency_ms for _, report in measured] == [40.0, 20.0, 10.0]
    shown = []
    behind, sources = differences(
        store, [report for _, report in measured], tmp_path, lambda done, total: shown.append((done, total))
    )
    assert (behind[0], sources, shown) == (None, 12, [(2, 3), (3, 3)])
    assert behind[1].gain == pytest.approx(measured[1][1].scores.map - measured[0][1].scores.map, abs=1e-6)
    assert behind[2].ci95[1] < 0  # half of all boxes are missed

    study = outcome("pets", measured, behind, sources, [])
    key, page = store_study(store, study, "f" * 64, tmp_path)
    numbers = json.loads(store.get(key)[0])
    assert [model["latency_ms"] for model in numbers["models"]] == [40.0, 20.0, 10.0]
    content, _ = store.get(page.key)
    assert hashlib.sha256(content).hexdigest() == page.sha256
    assert study.sentence in content.decode()
    assert store_study(store, study, "f" * 64, tmp_path) == (key, page)
