"""What a run reports: its events, and result.json at its end."""

import math

import torch

from tasks.errors import NotLearning
from tasks.local.files import file_sha256, publish_bytes
from tasks.metrics.history import still_rising
from tasks.records import EpochResult, StartWeights, TrainingResult
from tasks.training.contract import files
from tasks.training.contract.events import EpochDone, Plan, Started, StepDone
from tasks.training.contract.fit import Fit
from tasks.training.worker.loop.progress import Ending, Progress
from tasks.training.worker.loop.run_data import RunData
from tasks.training.worker.run_job import RunJob
from tasks.training.worker.runtime.device import Device, machine_name
from tasks.training.worker.runtime.events import Events
from tasks.training.worker.runtime.memory import peak_memory
from tasks.training.worker.runtime.versions import versions


class RunReports:
    """Reports one run.

    Args:
        events: Where to.
        job: The run.
        device: What it is trained on.
        fit: Micro-batch and loader processes.
        data: The run's images.
    """

    def __init__(self, events: Events, job: RunJob, device: Device, fit: Fit, data: RunData) -> None:
        self._events, self._job, self._device, self._fit, self._data = events, job, device, fit, data

    def plan(self, start: StartWeights | None) -> None:
        """Report how the run fits this machine."""
        device, fit = self._device, self._fit
        self._events.report(
            Plan(
                device=str(device),
                machine=machine_name(),
                devices=device.count,
                precision=device.precision,
                batch_size=self._job.spec.batch_size,
                micro_batch=fit.micro_batch * device.count,
                loader_workers=self._data.workers,
                train_images=str(self._data.cached[0]),
                valid_images=str(self._data.cached[1]),
                augmentation=self._job.spec.augmentation,
                shortages=fit.shortages,
                start=start,
                versions=versions(),
            )
        )

    def started(self, progress: Progress, resumed_from_epoch: int | None) -> None:
        """Report how far the run is when this process begins."""
        self._events.report(
            Started(
                device=str(self._device),
                epochs=self._job.spec.epochs,
                epochs_done=progress.epochs_done,
                steps_done=progress.steps_done,
                steps_per_epoch=self._data.steps_per_epoch,
                resumed_from_epoch=resumed_from_epoch,
                history=tuple(progress.history),
                best_epoch=progress.best.epoch if progress.best else None,
            )
        )

    def step(self, progress: Progress, loss: float, images: int, seconds: float) -> None:
        """Report a step.

        Args:
            progress: After the step.
            loss: Its loss.
            images: Images of its batch, on all devices.
            seconds: Its wall time.
        """
        self._events.report(
            StepDone(
                epoch=progress.epochs_done + 1,
                epochs=self._job.spec.epochs,
                step=progress.steps_done,
                steps=self._data.steps_per_epoch,
                loss=round(loss, 4) if math.isfinite(loss) else None,
                step_images_per_second=round(images / max(seconds, 1e-9), 2),
                images_per_second=round(progress.images_per_second, 2),
                seconds_left=self._seconds_left(progress),
            )
        )

    def epoch(self, progress: Progress, result: EpochResult) -> None:
        """Report an epoch with its validation."""
        best = progress.best
        self._events.report(
            EpochDone(
                **result.model_dump(),
                best_epoch=best.epoch if best else None,
                epochs=self._job.spec.epochs,
                seconds_left=self._seconds_left(progress),
                peak_memory_bytes=self._peak_memory(),
            )
        )

    def finish(
        self, progress: Progress, ending: Ending, start: StartWeights | None, resumed_from_epoch: int | None
    ) -> TrainingResult:
        """Write result.json.

        Args:
            progress: At the end.
            ending: Why training ended.
            start: Weights that it started from; None for random ones.
            resumed_from_epoch: Whole epochs in the checkpoint that this process began with.

        Returns:
            The result.

        Raises:
            NotLearning: no epoch was validated.
        """
        if progress.best is None:
            raise NotLearning("no epoch was validated")
        result = TrainingResult(
            run_key=self._job.spec.digest,
            epochs_done=progress.epochs_done,
            best_epoch=progress.best.epoch,
            best_map=progress.best.map,
            ended=ending,
            seconds=round(progress.seconds, 3),
            images_per_second=round(progress.images_per_second, 3),
            weights_sha256=file_sha256(self._job.out / files.BEST),
            resumed_from_epoch=resumed_from_epoch,
            device=str(self._device),
            still_rising=still_rising(progress.history),
            devices=self._device.count,
            micro_batch=self._fit.micro_batch,
            shortages=self._fit.shortages,
            peak_memory_bytes=self._peak_memory(),
            start=start,
            spec=self._job.spec,
            versions=versions(),
            machine=machine_name(),
        )
        publish_bytes(self._job.out / files.RESULT, result.model_dump_json(indent=1).encode())
        return result

    def _seconds_left(self, progress: Progress) -> float:
        return round(progress.seconds_left(self._job.spec.epochs, self._data.steps_per_epoch), 1)

    def _peak_memory(self) -> int:
        """Bytes: the GPU's, or this process's RAM."""
        on_gpu = self._device.accelerator == "cuda"
        return torch.cuda.max_memory_allocated() if on_gpu else peak_memory()
