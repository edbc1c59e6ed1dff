"""The images of one run: cached as far as memory and disk allow, and in loaders."""

import math
import os

from torch.utils.data import DataLoader

from tasks import metrics
from tasks.training.contract.fit import Fit
from tasks.training.worker.data.datasets import PlainImages, TrainingImages
from tasks.training.worker.data.images import CACHE_SHARE, DISK_SHARE, CacheCounts, ImageFolder
from tasks.training.worker.data.loaders import VALIDATION_BATCH_FACTOR, Batch, BatchPlan, EpochBatches, plain_loader
from tasks.training.worker.loop.batch_fit import memory_needed
from tasks.training.worker.loop.progress import Progress
from tasks.training.worker.run_job import RunJob, Supervision
from tasks.training.worker.runtime.device import Device
from tasks.training.worker.runtime.distributed import ProcessGroup
from tasks.training.worker.runtime.memory import available_memory


class RunData:
    """Training images, validation split and its ground truth.

    Args:
        job: The run.
        device: What it is trained on.
        fit: Micro-batch and loader processes that fit the machine.
        process_group: The processes that share each batch.
        supervision: Its watchdog gets a heartbeat per cached image.
    """

    def __init__(
        self, job: RunJob, device: Device, fit: Fit, process_group: ProcessGroup, supervision: Supervision
    ) -> None:
        self._spec, self._fit, self._process_group = job.spec, fit, process_group
        self.workers = fit.loader_workers or 0
        train = ImageFolder(job.data, job.snapshot.of_split("train"), job.spec.image_size)
        valid = ImageFolder(job.data, job.snapshot.of_split("valid"), job.spec.image_size)
        self.cached = self._fill_caches((train, valid), job, device, supervision)
        """What is kept decoded of train and valid."""
        self.train = TrainingImages(train, job.spec)
        self.valid = valid
        at_once = min(
            fit.micro_batch * VALIDATION_BATCH_FACTOR, math.ceil(len(valid.images) / process_group.world_size)
        )
        self.valid_loader: DataLoader[Batch] = plain_loader(
            PlainImages(valid), at_once, self.workers, process_group.rank, process_group.world_size
        )
        self.valid_truth = metrics.coco_ground_truth(valid.images, job.spec.classes)
        self.steps_per_epoch = math.ceil(len(train.images) / job.spec.batch_size)
        self.total_steps = self.steps_per_epoch * job.spec.epochs

    def _fill_caches(
        self, folders: tuple[ImageFolder, ImageFolder], job: RunJob, device: Device, supervision: Supervision
    ) -> list[CacheCounts]:
        processes = self._process_group.world_size
        training = memory_needed(job.spec, device, self._fit.micro_batch)
        room = int(max(0, available_memory() / processes - training) * CACHE_SHARE)
        threads = max(1, (os.cpu_count() or 1) // processes)
        caches = []
        for folder in folders:
            cached = folder.fill_cache(
                threads, job.out, supervision.watchdog.heartbeat, memory=room, disk_share=DISK_SHARE / processes
            )
            room -= cached.bytes_in_memory
            caches.append(cached)
        return caches

    def rest_of_epoch(self, progress: Progress) -> EpochBatches:
        """The steps of the epoch under way that are not done yet."""
        plan = BatchPlan(
            image_count=len(self.train.folder.images), batch_size=self._spec.batch_size, seed=self._spec.seed,
            micro_batch=self._fit.micro_batch, rank=self._process_group.rank, world_size=self._process_group.world_size,
        )  # fmt: skip
        return EpochBatches(plan, progress.epochs_done + 1, progress.steps_done)
