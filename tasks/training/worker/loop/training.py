"""The training loop: epochs of steps, validation, best weights, checkpoints, and resuming."""

import math
import time
from collections.abc import Iterator

import torch

from tasks import metrics
from tasks.errors import TrainingStopped
from tasks.local.files import file_sha256
from tasks.records import EpochResult, StartWeights, TrainingResult
from tasks.training.contract.events import LogLine
from tasks.training.contract.fit import Fit
from tasks.training.contract.job import InitialWeights
from tasks.training.worker.data.loaders import Batch, training_loader
from tasks.training.worker.loop.bad_steps import BadSteps, not_learning
from tasks.training.worker.loop.batch_fit import fit_to_machine
from tasks.training.worker.loop.checkpointer import Checkpointer
from tasks.training.worker.loop.progress import Ending, Progress
from tasks.training.worker.loop.reports import RunReports
from tasks.training.worker.loop.run_data import RunData
from tasks.training.worker.loop.schedule import learning_rate
from tasks.training.worker.loop.step import StepResult, TrainingStep
from tasks.training.worker.loop.validation import SplitLoader, run_over_split
from tasks.training.worker.model.loaded_weights import start_weights
from tasks.training.worker.model.loss import LOSS_PARTS
from tasks.training.worker.model.warm_start import load_matching
from tasks.training.worker.run_job import RunJob, Supervision
from tasks.training.worker.runtime.device import Device, make_computer
from tasks.training.worker.runtime.distributed import ProcessGroup
from tasks.training.worker.runtime.events import Events


class TrainingRun:
    """One run in one folder. ``train`` starts it, or resumes it from its last checkpoint.

    Args:
        job: What is trained, on which images, and where its files go.
        device: What it is trained on.
        supervision: How it reports, and is stopped.
    """

    def __init__(self, job: RunJob, device: Device, supervision: Supervision) -> None:
        self.job, self.supervision = job, supervision
        self.spec, self.watchdog = job.spec, supervision.watchdog
        computer = make_computer(device)
        self.process_group = ProcessGroup(computer.fabric)
        self.events = supervision.events if self.process_group.is_main_process else Events(None)
        torch.manual_seed(self.spec.seed)
        machine = job.work.machine
        self.training_step = TrainingStep(self.spec, computer, self.process_group, compiled=machine.compile)
        self.fit = self._fit()
        self.data = RunData(job, device, self.fit, self.process_group, supervision)
        self.progress = Progress()
        self.resumed_from_epoch: int | None = None
        self.start: StartWeights | None = None
        self.bad_steps = BadSteps(self.training_step, self.data.train.folder.images)
        self.checkpointer = Checkpointer(
            self.spec, job.out, self.training_step, self.events, machine.checkpoint_every_minutes * 60
        )
        self.reports = RunReports(self.events, job, device, self.fit, self.data)

    def _fit(self) -> Fit:
        job, workers = self.job, self.job.work.loader_workers
        return self.process_group.on_main_process(
            lambda: fit_to_machine(job.spec, job.snapshot, self.training_step, job.out, workers)
        )

    def start_from(self, weights: InitialWeights) -> None:
        """Load given weights before the first step.

        Raises:
            BadWeights: unreadable, not finite, or of another network.
        """
        file = weights.file
        loaded = load_matching(self.training_step.network, file, self.spec.classes)
        sha256 = self.spec.weights_sha256 or file_sha256(file)
        self.start = start_weights(loaded, weights.source, sha256, weights.licence)
        self.checkpointer.licence = self.start.licence
        self.events.report(LogLine(message=f"{file.name}: {loaded.sentence()}"))

    def train(self) -> TrainingResult:
        """Train until all epochs are done or patience ends the run.

        Raises:
            TrainingStopped: a stop was requested; last.ckpt holds everything up to the last step.
            NotLearning: the loss is not finite any more; last.ckpt holds the last parameters that were saved.
            BadCheckpoint, DiskFull: as the checkpointer says.
        """
        if (progress := self.checkpointer.resume()) is not None:
            self.progress = progress
            self.resumed_from_epoch = progress.epochs_done
        self.reports.plan(self.start)
        self.reports.started(self.progress, self.resumed_from_epoch)
        try:
            while (ending := self._ending()) is None:
                self._train_epoch()
                self._end_epoch()
            self.checkpointer.finish(self.progress)
        finally:
            self.checkpointer.close()
        return self.process_group.on_main_process(
            lambda: self.reports.finish(self.progress, ending, self.start, self.resumed_from_epoch)
        )

    def _ending(self) -> Ending | None:
        return self.progress.ended(self.spec.epochs, self.spec.patience)

    def _train_epoch(self) -> None:
        progress, batches = self.progress, self.data.rest_of_epoch(self.progress)
        self.training_step.network.train()
        loaded: Iterator[Batch] = iter(training_loader(self.data.train, batches, self.data.workers))
        for plan in batches.steps:
            start = time.monotonic()  # waiting for images counts, saving does not
            result = self.training_step.run(plan, loaded, self._learning_rate())
            self.watchdog.heartbeat()
            self._check_step(result)
            progress.add_step(plan.image_count, time.monotonic() - start)
            self.reports.step(progress, result.parts[-1], plan.image_count, time.monotonic() - start)
            self._stop_if_requested()
            self.checkpointer.after_step(progress)

    def _learning_rate(self) -> float:
        done = self.progress.epochs_done * self.data.steps_per_epoch + self.progress.steps_done
        return learning_rate(self.spec, done, self.data.total_steps)

    def _check_step(self, result: StepResult) -> None:
        """Add a step's loss to the epoch's, or count it as a bad one."""
        progress = self.progress
        if self.bad_steps.count(result, f"epoch {progress.epochs_done + 1}, step {progress.steps_done + 1}"):
            return
        progress.good_steps += 1
        progress.loss_sums = [total + part for total, part in zip(progress.loss_sums, result.parts, strict=True)]

    def _stop_if_requested(self) -> None:
        if self.process_group.any(self.supervision.stop.is_set()):
            self.checkpointer.stop(self.progress)
            raise TrainingStopped(
                f"stopped on request in epoch {self.progress.epochs_done + 1} with a checkpoint; "
                "run the same again to go on"
            )

    def _after_valid_batch(self, done: int, total: int) -> None:
        self.watchdog.heartbeat()
        if self.process_group.world_size == 1:  # other processes may have a batch less, and would wait for ever
            self._stop_if_requested()

    def _end_epoch(self) -> None:
        """Validate the EMA, and save."""
        start = time.monotonic()
        result = self.progress.add_epoch(self._validate(), time.monotonic() - start)
        self.reports.epoch(self.progress, result)
        self.checkpointer.after_epoch(self.progress, last=self._ending() is not None)
        self.watchdog.heartbeat()

    def _validate(self) -> EpochResult:
        progress, step = self.progress, self.training_step
        split = SplitLoader(self.data.valid_loader, self.data.valid.images, self.spec.image_size)
        valid = run_over_split(
            split, step.ema_network, step.computer, self.process_group, step.loss, self._after_valid_batch
        )
        if progress.good_steps == 0 or not math.isfinite(valid.losses["total"]):
            raise not_learning(
                self.spec, f"the loss on the valid split is no finite number in epoch {progress.epochs_done + 1}"
            )
        scores = metrics.score(self.data.valid_truth, valid.detections)
        means = [total / progress.good_steps for total in progress.loss_sums]
        return EpochResult(
            epoch=progress.epochs_done + 1,
            losses=rounded(dict(zip(LOSS_PARTS, means, strict=True))),
            valid_losses=rounded(valid.losses),
            map=round(scores.map, 6),
            map50=round(scores.map50, 6),
            precision=round(scores.precision, 6),
            recall=round(scores.recall, 6),
            lr=step.rate,
            seconds=0,
        )


def rounded(values: dict[str, float]) -> dict[str, float]:
    """Round to six decimals, for people who read the file."""
    return {name: round(value, 6) for name, value in values.items()}
