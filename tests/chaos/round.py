"""One round: a retrain run, a fault, its end, and what must hold afterwards."""

import random
import shutil
import time
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import psutil

from tests.e2e.stack import retrain
from tests.fakes.trainer_processes import kind_of_job
from tests.fakes.waiting import wait_for

EPOCHS = 12
SETTLE_SECONDS = 400
"""So long a round may take to come to rest: Prefect frees the slot of a killed process after 305 s."""
UNFINISHED = ["SCHEDULED", "PENDING", "RUNNING", "PAUSED", "CANCELLING"]
FINAL = ("Completed", "Failed", "Cancelled")
"""A crashed run is started again, so that is no end."""
NOTICED = ("Crashed", "AwaitingRetry", "Retrying", "Cancelling", "Cancelled", "Late")


@dataclass
class Row:
    """What came of a round."""

    fault: str
    end: str = ""
    problems: list[str] = field(default_factory=list)
    notice_seconds: float | None = None
    """From the fault to the first state that tells of it; None if the run went on in its state."""
    go_on_seconds: float | None = None
    """From the fault to a trainer or flow run that was started after it; None if all processes lived on."""
    seconds: float = 0.0


class Round:
    """One run of the stack, to be disturbed."""

    def __init__(self, stack, machinery, store, export, project):
        self.stack, self.machinery, self.store = stack, machinery, store
        self._export, self.project = export, project
        self.runs = []
        self.run_key = ""
        self.disturbed_at = 0.0

    @property
    def run(self):
        """Id of the first flow run."""
        return self.runs[0]

    def start(self):
        """Ask for the run."""
        self.ask_again()

    def ask_again(self):
        """Ask for the same once more."""
        asked = retrain(self.stack, self._export, self.project, "--seed", "7", "--no-wait", epochs=EPOCHS)
        self.runs.append(asked["flow_run"])

    def cancel(self):
        """As Prefect's UI does it."""
        state = {"type": "CANCELLING", "name": "Cancelling"}
        self._ask(f"/flow_runs/{self.run}/set_state", {"state": state})

    def wait(self, seconds):
        """Let time pass."""
        time.sleep(seconds)

    def reach(self, moment):
        """Wait until the run is where it is to be disturbed, and a random moment more."""
        trainer = wait_for(lambda: self.machinery.find("trainer"), "a trainer")
        self.run_key = Path(_argument(trainer, "--job")).parent.name
        if moment == "training":
            wait_for(self._has_checkpoint, "a checkpoint")
        else:
            wait_for(lambda: self.store.weights(self.run_key), "the end of training")
            wait_for(self._exports, "the export")
        time.sleep(random.uniform(0, 2))

    def end(self):
        """Wait until every flow run that was asked for has ended; the states that they have then."""
        wait_for(lambda: all(self._state(run) in FINAL for run in self.runs), "the end", pause=1)
        return [self._state(run) for run in self.runs]

    def times(self):
        """Seconds from the fault to the first sign that it was noticed, and to the first process that goes on."""
        states = [(_time(state["timestamp"]), state["name"]) for run in self._family() for state in self._states(run)]
        noticed = [at - self.disturbed_at for at, name in states if name in NOTICED and at > self.disturbed_at]
        running = [at - self.disturbed_at for at, name in states if name in ("Running", "Retrying")]
        again = [seconds for seconds in running if noticed and seconds > min(noticed)]
        return min(noticed, default=None), min(again, default=None)

    def unfinished(self):
        """Names of flow runs that have not ended."""
        wanted = {"flow_runs": {"state": {"type": {"any_": UNFINISHED}}}}
        return [run["name"] for run in self._ask("/flow_runs/filter", wanted)]

    def slots(self):
        """Names of concurrency limits with a slot that is held."""
        limits = self._ask("/v2/concurrency_limits/filter", {})
        return [limit["name"] for limit in limits if limit["active_slots"]]

    def clear(self):
        """Empty store and work folder for the next round."""
        self.store.empty()
        for path in (self.stack.folder / "work").iterdir():
            shutil.rmtree(path) if path.is_dir() else path.unlink()

    def _has_checkpoint(self):
        return any("/checkpoints/" in key and key.endswith("manifest.json") for key in self.store.list("runs/"))

    def _exports(self):
        trainer = self.machinery.find("trainer")
        return trainer is not None and kind_of_job(trainer) == "export"

    def _family(self):
        children = {"flow_runs": {"parent_flow_run_id": {"any_": self.runs}}}
        return [*self.runs, *(run["id"] for run in self._ask("/flow_runs/filter", children))]

    def _states(self, run):
        return self._ask(f"/flow_run_states/?flow_run_id={run}")

    def _state(self, run):
        return self._ask(f"/flow_runs/{run}")["state"]["name"]

    def _ask(self, path, body=None):
        """The server's answer, once it answers."""
        return wait_for(lambda: self._answer(path, body), path)[0]

    def _answer(self, path, body):
        try:
            return (self.stack.api(path, body),)
        except OSError:
            return None


def settle(this):
    """Wait until nothing runs and no slot is held; what still does when that takes too long."""
    deadline = time.monotonic() + SETTLE_SECONDS
    while (left := this.unfinished() + this.slots()) and time.monotonic() < deadline:
        time.sleep(1)
    return left


def _argument(process, name):
    try:
        return next(part.partition("=")[2] for part in process.cmdline() if part.startswith(f"{name}="))
    except (psutil.Error, StopIteration):
        raise TimeoutError("the trainer has ended already") from None


def _time(text):
    return datetime.fromisoformat(text).timestamp()
