"""The training loop: epochs of steps, validation, the best weights, checkpoints, and going on after a stop."""

import math
import os
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from tasks import metrics
from tasks.errors import NotLearning, TrainingStopped
from tasks.local.files import file_sha256, publish_bytes
from tasks.metrics.history import still_rising
from tasks.records import DatasetSnapshot, EpochResult, StartWeights, TrainingResult, TrainingSpec
from tasks.training import files
from tasks.training.fit import Fit
from tasks.training.worker.data.augmentation import TrainingImages
from tasks.training.worker.data.images import CACHE_SHARE, DISK_SHARE, ImageFolder, PlainImages
from tasks.training.worker.data.loaders import VALIDATED_AT_ONCE, Batch, EpochBatches, plain_loader, training_loader
from tasks.training.worker.loop.bad_steps import BadSteps, not_learning
from tasks.training.worker.loop.batch_fit import fit_to_machine, memory_needed
from tasks.training.worker.loop.checkpointer import Checkpointer
from tasks.training.worker.loop.progress import Ending, Progress
from tasks.training.worker.loop.schedule import learning_rate
from tasks.training.worker.loop.step import StepResult, TrainingStep
from tasks.training.worker.loop.validation import run_over
from tasks.training.worker.model.loss import LOSS_PARTS
from tasks.training.worker.model.warm_start import load_matching, start_weights
from tasks.training.worker.runtime.device import Device, machine_name, make_computer
from tasks.training.worker.runtime.distributed import ProcessGroup
from tasks.training.worker.runtime.events import Events
from tasks.training.worker.runtime.memory import available_memory, peak_memory
from tasks.training.worker.runtime.versions import versions
from tasks.training.worker.runtime.watchdog import Watchdog


@dataclass(frozen=True)
class Options:
    """What belongs to a machine, not to a run: it changes no result, but for what rounding does."""

    device: Device
    loader_workers: int | None = None
    """Processes that load images; None for as many as the device needs."""
    checkpoint_seconds: float = 600.0
    compiled: bool = False
    """Whether torch.compile makes kernels for the network first."""


class TrainingRun:
    """One run in one folder; ``train`` starts it, or goes on where its last checkpoint stands."""

    def __init__(
        self,
        spec: TrainingSpec,
        snapshot: DatasetSnapshot,
        data: Path,
        out: Path,
        *,
        options: Options,
        events: Events,
        stop: threading.Event,
        watchdog: Watchdog | None = None,
    ) -> None:
        self.spec, self.out, self.options, self.stop = spec, out, options, stop
        self.watchdog = watchdog or Watchdog(None)
        computer = make_computer(options.device)
        self.process_group = ProcessGroup(computer.fabric)
        self.events = events if self.process_group.is_main_process else Events(None)
        torch.manual_seed(spec.seed)
        self.training_step = TrainingStep(spec, computer, self.process_group, compiled=options.compiled)
        self.fit = self._fit(snapshot)
        self._set_up_images(snapshot, data)
        self.progress = Progress()
        self.resumed_from_epoch: int | None = None
        self.start: StartWeights | None = None
        self.bad_steps = BadSteps(self.training_step, self.process_group, self.train_images.folder.images)
        self.checkpointer = Checkpointer(spec, out, self.training_step, self.events, options.checkpoint_seconds)

    def _fit(self, snapshot: DatasetSnapshot) -> Fit:
        workers = self.options.loader_workers
        return self.process_group.on_main_process(
            lambda: fit_to_machine(self.spec, snapshot, self.training_step, self.out, workers)
        )

    def _set_up_images(self, snapshot: DatasetSnapshot, data: Path) -> None:
        spec, process_group = self.spec, self.process_group
        self.workers = self.fit.loader_workers or 0
        train = ImageFolder(data, snapshot.of_split("train"), spec.image_size)
        valid = ImageFolder(data, snapshot.of_split("valid"), spec.image_size)
        to_train = memory_needed(spec, self.options.device, self.fit.micro_batch)
        room = int(max(0, available_memory() / process_group.world_size - to_train) * CACHE_SHARE)
        self.cached = []
        for images in (train, valid):
            threads = max(1, (os.cpu_count() or 1) // process_group.world_size)
            cached = images.fill_cache(
                threads,
                self.out,
                self.watchdog.heartbeat,
                memory=room,
                disk_share=DISK_SHARE / process_group.world_size,
            )
            room -= cached.bytes_in_memory
            self.cached.append(cached)
        self.train_images = TrainingImages(train, spec)
        self.valid_images = valid.images
        at_once = min(self.fit.micro_batch * VALIDATED_AT_ONCE, math.ceil(len(valid.images) / process_group.world_size))
        self.valid_loader = plain_loader(
            PlainImages(valid), at_once, self.workers, process_group.rank, process_group.world_size
        )
        self.valid_truth = metrics.coco_truth(valid.images, spec.classes)
        self.steps_per_epoch = math.ceil(len(train.images) / spec.batch_size)
        self.total_steps = self.steps_per_epoch * spec.epochs

    def start_from(self, weights: Path, source: str, licence: str | None) -> None:
        """Put given weights into the network before the first step."""
        loaded = load_matching(self.training_step.network, weights, self.spec.classes)
        self.start = start_weights(loaded, source, self.spec.weights_sha256 or file_sha256(weights), licence)
        self.checkpointer.licence = self.start.licence
        self.events.tell("log", message=f"{weights.name}: {loaded.sentence()}")

    # The story -----------------------------------------------------------------------------------

    def train(self) -> TrainingResult:
        """Train until all epochs are done or nothing is gained any more.

        Raises:
            TrainingStopped: a stop was asked for; last.ckpt holds everything up to the last step.
            NotLearning: the loss is no number any more; last.ckpt holds the last weights that were saved.
        """
        if (progress := self.checkpointer.resume()) is not None:
            self.progress = progress
            self.resumed_from_epoch = progress.epochs_done
        self.events.tell("plan", **self._plan())
        self.events.tell("started", **self._facts())
        try:
            while (ended := self._ended()) is None:
                self._train_epoch()
                self._end_epoch()
            self.checkpointer.finish(self.progress)
        finally:
            self.checkpointer.close()
        return self.process_group.on_main_process(lambda: self._finish(ended))

    def _ended(self) -> Ending | None:
        return self.progress.ended(self.spec.epochs, self.spec.patience)

    def _plan(self) -> dict[str, Any]:
        device = self.options.device
        return {
            "device": str(device),
            "machine": machine_name(),
            "devices": device.count,
            "precision": device.precision,
            "batch_size": self.spec.batch_size,
            "micro_batch": self.fit.micro_batch * device.count,
            "loader_workers": self.workers,
            "train_images": str(self.cached[0]),
            "valid_images": str(self.cached[1]),
            "augmentation": self.spec.augmentation,
            "shortages": list(self.fit.shortages),
            "start": self.start and self.start.model_dump(),
            "versions": versions(),
        }

    def _facts(self) -> dict[str, Any]:
        return {
            "device": str(self.options.device),
            "epochs": self.spec.epochs,
            "epochs_done": self.progress.epochs_done,
            "steps_done": self.progress.steps_done,
            "steps_per_epoch": self.steps_per_epoch,
            "resumed_from_epoch": self.resumed_from_epoch,
            "history": [line.model_dump() for line in self.progress.history],
            "best_epoch": self.progress.best and self.progress.best.epoch,
        }

    def _train_epoch(self) -> None:
        progress, spec = self.progress, self.spec
        batches = EpochBatches(
            len(self.train_images.folder.images), spec.batch_size, spec.seed, progress.epochs_done + 1,
            progress.steps_done, micro_batch=self.fit.micro_batch, rank=self.process_group.rank,
            devices=self.process_group.world_size,
        )  # fmt: skip
        self.training_step.network.train()
        loaded: Iterator[Batch] = iter(training_loader(self.train_images, batches, self.workers))
        for step in batches.steps:
            began = time.monotonic()  # waiting for the next images counts, saving does not
            result = self.training_step.run(step, loaded, self._learning_rate())
            self.watchdog.heartbeat()
            self._check_step(result)
            self.progress.add_step(step.image_count, time.monotonic() - began)
            self._report_step(result.parts[-1], step.image_count, time.monotonic() - began)
            self._stop_if_asked()
            self.checkpointer.after_step(self.progress)

    def _learning_rate(self) -> float:
        done = self.progress.epochs_done * self.steps_per_epoch + self.progress.steps_done
        return learning_rate(self.spec, done, self.total_steps)

    def _check_step(self, result: StepResult) -> None:
        """Add a step's loss to the epoch's, or count it as a bad one."""
        progress = self.progress
        if self.bad_steps.count(result, f"epoch {progress.epochs_done + 1}, step {progress.steps_done + 1}"):
            return
        progress.good_steps += 1
        progress.loss_sums = [done + part for done, part in zip(progress.loss_sums, result.parts, strict=True)]

    def _report_step(self, loss: float, images: int, seconds: float) -> None:
        progress = self.progress
        self.events.tell(
            "step",
            epoch=progress.epochs_done + 1,
            epochs=self.spec.epochs,
            step=progress.steps_done,
            steps=self.steps_per_epoch,
            loss=round(loss, 4) if math.isfinite(loss) else None,
            step_images_per_second=round(images / max(seconds, 1e-9), 2),
            images_per_second=round(progress.images_per_second, 2),
            seconds_left=self._seconds_left(),
        )

    def _seconds_left(self) -> float:
        return round(self.progress.seconds_left(self.spec.epochs, self.steps_per_epoch), 1)

    def _stop_if_asked(self) -> None:
        if self.process_group.any(self.stop.is_set()):
            self.checkpointer.stop(self.progress)
            raise TrainingStopped(
                f"stopped on request in epoch {self.progress.epochs_done + 1} with a checkpoint; "
                "run the same again to go on"
            )

    def _after_valid_batch(self, done: int, total: int) -> None:
        self.watchdog.heartbeat()
        if self.process_group.world_size == 1:  # others may have a batch less, and would wait for an answer for ever
            self._stop_if_asked()

    def _end_epoch(self) -> None:
        """Validate the averaged weights, and save."""
        began = time.monotonic()
        result = self.progress.add_epoch(self._validate(), time.monotonic() - began)
        best = self.progress.best
        self.events.tell(
            "epoch", **result.model_dump(), best_epoch=best and best.epoch, epochs=self.spec.epochs,
            seconds_left=self._seconds_left(), peak_memory_bytes=self._peak_memory(),
        )  # fmt: skip
        self.checkpointer.after_epoch(self.progress, last=self._ended() is not None)
        self.watchdog.heartbeat()

    def _validate(self) -> EpochResult:
        progress = self.progress
        found = run_over(
            self.valid_loader, self.training_step.ema_network, self.valid_images, size=self.spec.image_size,
            computer=self.training_step.computer, process_group=self.process_group, loss=self.training_step.loss,
            on_batch=self._after_valid_batch,
        )  # fmt: skip
        if progress.good_steps == 0 or not math.isfinite(found.losses["total"]):
            raise not_learning(
                self.spec, f"the loss on the valid split is no finite number in epoch {progress.epochs_done + 1}"
            )
        scores = metrics.score(self.valid_truth, found.detections)
        means = [total / progress.good_steps for total in progress.loss_sums]
        return EpochResult(
            epoch=progress.epochs_done + 1,
            losses=rounded(dict(zip(LOSS_PARTS, means, strict=True))),
            valid_losses=rounded(found.losses),
            map=round(scores.map, 6),
            map50=round(scores.map50, 6),
            precision=round(scores.precision, 6),
            recall=round(scores.recall, 6),
            lr=self.training_step.rate,
            seconds=0,
        )

    def _peak_memory(self) -> int:
        """Bytes: the GPU's, or this process's in RAM."""
        on_gpu = self.options.device.accelerator == "cuda"
        return torch.cuda.max_memory_allocated() if on_gpu else peak_memory()

    def _finish(self, ended: Ending) -> TrainingResult:
        progress = self.progress
        if progress.best is None:
            raise NotLearning("no epoch was validated")
        result = TrainingResult(
            run_key=self.spec.digest,
            epochs_done=progress.epochs_done,
            best_epoch=progress.best.epoch,
            best_map=progress.best.map,
            ended=ended,
            seconds=round(progress.seconds, 3),
            images_per_second=round(progress.images_per_second, 3),
            weights_sha256=file_sha256(self.out / files.BEST),
            resumed_from_epoch=self.resumed_from_epoch,
            device=str(self.options.device),
            still_rising=still_rising(progress.history),
            devices=self.options.device.count,
            micro_batch=self.fit.micro_batch,
            shortages=self.fit.shortages,
            peak_memory_bytes=self._peak_memory(),
            start=self.start,
            spec=self.spec,
            versions=versions(),
            machine=machine_name(),
        )
        publish_bytes(self.out / files.RESULT, result.model_dump_json(indent=1).encode())
        return result


def rounded(values: dict[str, float]) -> dict[str, float]:
    """Six decimals, for people who read the file."""
    return {name: round(value, 6) for name, value in values.items()}
