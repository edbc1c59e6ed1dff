"""What a team lives through: a retrain, a cancel, a lost machine, a backup and a restore."""

from pathlib import Path

from deployments.demo.cartoons import draw_export
from tasks.storage import keys
from tasks.storage.runs import find_model
from tests.e2e.stack import TINY
from tests.fakes.waiting import wait_for

LONG = 50
"""Epochs of a run that is interrupted. A backup of some seconds must not outlast it."""
WAIT_SECONDS = 600


class Story:
    """Runs of a control side and its workers.

    Args:
        control: The control side.
        workers: The GPU workers.
        steps: Takes the lines.
    """

    def __init__(self, control, workers, steps):
        self._control, self._workers, self._steps = control, workers, steps
        draw_export(control.machine.work / "pets", 1, train=12, valid=4, test=4, size=96)
        self.runs = []

    def retrain(self):
        """A run from labels to the champion."""
        with self._steps.step("a whole retrain, trained on a worker of another network") as said:
            document = self._ask("pets", 1, 2)
            assert document["flow_run_state"] == "Completed", document
            models = self.models()
            assert [model["project"] for model in models] == ["pets"], models
            said.append(f"flow run {document['flow_run'][:8]} Completed, {len(models)} model")

    def cancel(self):
        """A run that is cancelled while it trains."""
        with self._steps.step("a cancel while it trains") as said:
            run, _, run_key = self.train("cancelled", 2)
            self._control.nasflow("runs", "cancel", run)
            state = self._state(run)
            assert state == "Cancelled", state
            wait_for(lambda: not self.training(), "the end of the trainer", seconds=60)
            kept = len([key for key in self._control.store.list(keys.checkpoints(run_key)) if "manifest" in key])
            assert kept, "no checkpoint is kept"
            said.append(f"{state}, no trainer left, checkpoint kept")

    def lost_machine(self):
        """A run whose machine is lost goes on on the other one."""
        with self._steps.step("a lost machine") as said:
            run, worker, run_key = self.train("lost", 3)
            killed = worker.lose()
            others = [other for other in self._workers if other is not worker]
            again = wait_for(lambda: self.training(others), "the trainer on another machine", seconds=WAIT_SECONDS)
            said += [
                f"{killed} processes of {worker.name} killed",
                f"{again.name} went on",
                self.completed(run, run_key),
            ]
        with self._steps.step(f"{worker.name} comes back"):
            worker.start()

    def completed(self, run, run_key):
        """Wait until a run that was interrupted ends; how it went on."""
        # It is Crashed for a moment before it is started again.
        wait_for(lambda: self._state(run) in ("Completed", "Failed"), "the end", seconds=WAIT_SECONDS)
        assert self._state(run) == "Completed", self._state(run)
        result = find_model(self._control.store, run_key).result
        assert result.resumed_from_epoch, f"it was not interrupted, or trained anew: {result}"
        assert result.epochs_done == LONG, result
        return f"Completed, from epoch {result.resumed_from_epoch} of {LONG} on"

    def models(self):
        """All published models."""
        return self._control.nasflow("models", "list")["models"]

    def _ask(self, project, seed, epochs, *more):
        options = ["--export", "/work/pets", "--project", project, "--seed", str(seed), "--epochs", str(epochs)]
        document = self._control.nasflow("retrain", *options, *TINY, *more)
        self.runs.append(document["flow_run"])
        return document

    def train(self, project, seed):
        """A long run that has a checkpoint: its id, the worker that trains it, and its key."""
        run = self._ask(project, seed, LONG, "--no-wait")["flow_run"]
        worker = wait_for(self.training, "a trainer", seconds=WAIT_SECONDS)
        command = worker.trainer().cmdline()
        run_key = Path(next(part for part in command if part.startswith("--job="))).parent.name

        def has_checkpoint():
            return any(key.endswith("manifest.json") for key in self._control.store.list(keys.checkpoints(run_key)))

        wait_for(has_checkpoint, "a checkpoint", seconds=WAIT_SECONDS)
        return run, worker, run_key

    def training(self, workers=None):
        """A worker with a trainer, of all or of these; None if none has one."""
        return next((worker for worker in workers or self._workers if worker.trainer()), None)

    def _state(self, run):
        return self._control.api(f"/flow_runs/{run}")["state"]["name"]
