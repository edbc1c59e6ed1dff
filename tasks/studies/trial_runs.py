"""The training runs of a study: as many at once as the pool has workers, each a child flow run."""

import logging
import time
from collections.abc import Callable
from datetime import timedelta

from tasks.errors import NasflowError
from tasks.orchestration.child_runs import ChildRuns
from tasks.orchestration.workers import online_workers
from tasks.records import TrainJob, Trial
from tasks.storage.runs import reuse_model
from tasks.storage.s3 import Store
from tasks.studies.histories import best_maps
from tasks.studies.trials import Trials

logger = logging.getLogger(__name__)

TRAIN = "train/train"
POOL = "gpu"
HISTORY_SECONDS = 10.0
"""Time between two looks at how far the open trials are: their history comes into the store with checkpoints."""

JobOf = Callable[[Trial], TrainJob]
OnProgress = Callable[[float, float, str], None]


class TrialRuns:
    """Trains the trials of a study.

    Args:
        store: The object store.
        trials: The trials.
        job_of: Plans the training of a trial.
        on_progress: Called with the number of trials that ended, that there will be, and a text with the time left.
    """

    def __init__(self, store: Store, trials: Trials, job_of: JobOf, on_progress: OnProgress) -> None:
        self._store, self._trials, self._job_of, self._on_progress = store, trials, job_of, on_progress
        self._open: dict[str, tuple[Trial, TrainJob]] = {}
        self._stopped: dict[str, str] = {}
        self._next_look = 0.0
        self._began, self._ended = time.monotonic(), 0

    def train(self) -> None:
        """Train all trials to their end; what became of each is kept with the trials.

        A trial that fails is kept as failed, and the others go on.
        """
        with ChildRuns(TRAIN) as runs:
            while True:
                self._fill(runs)
                if not runs.open:
                    return
                for name, error in runs.wait().items():
                    self._ended += 1
                    self._end(name, error)
                if is_hopeless := self._trials.is_hopeless:
                    self._stop_hopeless(runs, is_hopeless)

    def _fill(self, runs: ChildRuns) -> None:
        """Start trials until each worker has one. Those whose model is there already need none."""
        workers = online_workers(POOL)
        while len(runs.open) < workers and (trial := self._trials.next()) is not None:
            job = self._job_of(trial)
            name = str(trial.number)
            self._open[name] = trial, job
            if reuse_model(self._store, job.spec.digest):
                self._end(name, None)
            else:
                runs.start(name, {"job": job.model_dump(mode="json")})

    def _end(self, name: str, error: NasflowError | None) -> None:
        trial, job = self._open.pop(name)
        if error is None:
            maps = best_maps(self._store, job.spec.digest)
            ended = trial.model_copy(update={"status": "trained", "maps": maps})
        elif name in self._stopped:
            ended = trial.model_copy(update={"status": "stopped", "why": self._stopped[name]})
        else:
            logger.warning("trial %s failed: %s", name, error)
            ended = trial.model_copy(update={"status": "failed", "why": str(error)})
        self._trials.keep(ended.model_copy(update={"run_key": job.spec.digest}))
        self._show()

    def _show(self) -> None:
        done = sum(one.status != "open" for one in self._trials.all())
        total, text = self._trials.total, f"{done} of {self._trials.total} models"
        if self._ended:
            seconds = (time.monotonic() - self._began) / self._ended * (total - done)
            text = f"{text}, about {timedelta(seconds=round(seconds))} left"
        self._on_progress(done, total, text)

    def _stop_hopeless(self, runs: ChildRuns, is_hopeless: Callable[[Trial], bool]) -> None:
        if time.monotonic() < self._next_look:
            return
        self._next_look = time.monotonic() + HISTORY_SECONDS
        for name in set(runs.open) - self._stopped.keys():
            trial, job = self._open[name]
            trial = trial.model_copy(update={"maps": best_maps(self._store, job.spec.digest)})
            self._open[name] = trial, job
            self._trials.keep(trial)
            if trial.maps and is_hopeless(trial):
                best = f"mAP {trial.best_map:.3f} after epoch {max(trial.maps)}"
                reason = f"stopped, since {best} is behind the median of the others"
                logger.info("trial %s is %s", name, reason)
                self._stopped[name] = reason
                runs.cancel(name, reason)
