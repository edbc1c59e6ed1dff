"""Fitting a run to its machine before it starts: the micro-batch, and the number of loader processes.

A batch that does not fit is divided into micro-batches, whose gradients add up to its own.
"""

import math
import os
from pathlib import Path

import torch

from tasks.errors import OutOfMemory
from tasks.records import DatasetSnapshot, TrainingSpec
from tasks.training.contract.fit import Fit, read_fit, write_fit
from tasks.training.worker.data.loaders import VALIDATION_BATCH_FACTOR, Batch
from tasks.training.worker.loop.step import TrainingStep
from tasks.training.worker.loop.validation import as_fp32
from tasks.training.worker.model.batch_norms import batch_norms
from tasks.training.worker.model.loss import loss_sums
from tasks.training.worker.runtime.device import Device
from tasks.training.worker.runtime.memory import available_memory, shared_memory_free

MEGABYTE = 1_000_000
PARAMETERS = {"s": 19.0e6, "m": 51.1e6, "l": 66.9e6}
BYTES_OF_PARAMETER = 32
"""In fp32: AdamW's two moments, the copy that is saved, and the best EMA; gradients exist already.

That is 28 for the trainable two thirds of a network's parameters, so this is more than it takes.
"""
BYTES_OF_PIXEL = {
    ("s", True): 750, ("m", True): 1150, ("l", True): 1400,
    ("s", False): 1450, ("m", False): 2240, ("l", False): 2700,
}  # fmt: skip
"""Memory of a training step for a pixel of the batch on a CPU, by variant and whether it computes in bf16; measured."""
MARGIN = 1.2
SHARE_OF_SHARED_MEMORY = 0.8
"""Chosen, as ``MARGIN`` is: what fits is tried (decisions 0026 and 0027)."""
BATCHES_PER_LOADER = 2
"""Validation batches of a loader process in /dev/shm: one ready, and one in use."""


def fit_to_machine(
    spec: TrainingSpec, snapshot: DatasetSnapshot, training_step: TrainingStep, folder: Path, loader_workers: int | None
) -> Fit:
    """Decide micro-batch and loader processes: as before in the run's folder, or else by the memory there is.

    Args:
        spec: The run.
        snapshot: Its images.
        training_step: Its network, for trial steps on a GPU.
        folder: The run's folder.
        loader_workers: Processes that load images; None for as many as the device needs.

    Returns:
        What fits; it is written to the folder, too.

    Raises:
        OutOfMemory: not even one image at a time fits.
    """
    device = training_step.computer.device
    share = math.ceil(spec.batch_size / device.count)
    wanted = loaders_wanted(device) if loader_workers is None else loader_workers
    if (before := read_fit(folder)) is not None:
        workers = wanted if before.loader_workers is None else min(wanted, before.loader_workers)
        return before.model_copy(update={"micro_batch": min(before.micro_batch, share), "loader_workers": workers})
    if device.accelerator == "cuda":
        max_boxes = max(len(image.boxes) for image in snapshot.of_split("train"))
        fit = fit_to_gpu(spec, training_step, Fit(micro_batch=share), max_boxes)
    else:
        fit = fit_to_ram(spec, device, Fit(micro_batch=share), available_memory())
    fit = fit_to_shared_memory(spec, device, fit, wanted, shared_memory_free())
    write_fit(folder, fit)
    return fit.model_copy(update={"loader_workers": wanted if fit.loader_workers is None else fit.loader_workers})


def loaders_wanted(device: Device) -> int:
    """Number of loader processes per device: spare cores with a GPU; none where the CPU trains."""
    if device.accelerator == "cpu":
        return 0
    return min(8, max(0, (os.cpu_count() or 1) // device.count - 1))


def memory_needed(spec: TrainingSpec, device: Device, micro_batch: int) -> int:
    """Estimate the RAM that training takes beside the network.

    Args:
        spec: The run.
        device: With a GPU, training takes none.
        micro_batch: Images on a device at a time.

    Returns:
        Bytes.
    """
    if device.accelerator == "cuda":
        return 0
    of_pixel = BYTES_OF_PIXEL[spec.variant, device.precision != "32-true"]
    step = PARAMETERS[spec.variant] * BYTES_OF_PARAMETER + micro_batch * spec.image_size**2 * of_pixel
    return int(MARGIN * step)


def fit_to_ram(spec: TrainingSpec, device: Device, fit: Fit, free: int) -> Fit:
    """Find the largest micro-batch that fits the RAM.

    Args:
        spec: The run.
        device: Each of several devices is a process with its own memory.
        fit: Its micro-batch is the largest that is tried.
        free: Bytes that may be taken.

    Returns:
        The fit, with a line about what is too little.

    Raises:
        OutOfMemory: none does.
    """
    while (needed := memory_needed(spec, device, fit.micro_batch) * device.count) > free:
        smaller = fit.halved(f"about {needed // MEGABYTE} MB of memory needed, {free // MEGABYTE} MB free,")
        if smaller is None:
            raise OutOfMemory(
                f"one image of {spec.image_size} pixels needs about {needed // MEGABYTE} MB of memory, and "
                f"{free // MEGABYTE} MB are free; lower the image size, take a smaller variant, or free some"
            )
        fit = smaller
    return fit


def fit_to_gpu(spec: TrainingSpec, training_step: TrainingStep, fit: Fit, max_boxes: int) -> Fit:
    """Find the largest micro-batch that fits the GPU, by training steps that change nothing.

    Args:
        spec: The run.
        training_step: Its network.
        fit: Its micro-batch is the largest that is tried.
        max_boxes: Boxes of the image with the most.

    Returns:
        The fit, with a line about what is too little.

    Raises:
        OutOfMemory: none does.
    """
    while not fits_gpu(spec, training_step, fit.micro_batch, max_boxes):
        smaller = fit.halved("the GPU's memory was tried and too little")
        if smaller is None:
            raise OutOfMemory(
                f"the GPU has too little memory for one image of {spec.image_size} pixels; "
                "lower the image size, or take a smaller variant"
            )
        fit = smaller
    return fit


def fits_gpu(spec: TrainingSpec, training_step: TrainingStep, micro_batch: int, max_boxes: int) -> bool:
    """Whether a training step fits the GPU. Nothing is changed by the trial.

    Batch norms are in eval mode: they keep their statistics and do not wait for other processes, since the main process
    tries alone. They hold as much memory for gradients either way.

    Args:
        spec: The run.
        training_step: Its network.
        micro_batch: Images of the step.
        max_boxes: Boxes per image.

    Returns:
        False if the GPU ran out of memory.
    """
    network, computer, moments = training_step.network, training_step.computer, None
    network.train()
    for norm in batch_norms(network):
        norm.eval()
    try:
        # What AdamW will hold from its first step on.
        moments = torch.empty(int(PARAMETERS[spec.variant] * 2), device=computer.fabric.device)
        batch = grey_batch(micro_batch, spec.image_size, max_boxes)
        with computer.fabric.autocast():
            outputs = network(computer.images(batch.images))
        sums, _ = loss_sums(training_step.loss, as_fp32(outputs), computer.to_device(batch.targets))
        sums.sum().backward()  # type: ignore[no-untyped-call]
    except torch.OutOfMemoryError:
        return False
    else:
        return True
    finally:
        del moments
        network.zero_grad(set_to_none=True)
        torch.cuda.empty_cache()


def grey_batch(images: int, size: int, boxes: int) -> Batch:
    """Make a batch of grey images.

    Args:
        images: Number of images.
        size: Side in pixels.
        boxes: Boxes in the middle of each image.

    Returns:
        The batch.
    """
    rows = [[float(image), 0.0, size / 2, size / 2, size / 4, size / 4] for image in range(images)] * boxes
    return Batch(
        torch.full((images, 3, size, size), 128, dtype=torch.uint8),
        torch.tensor(rows).reshape(-1, 6),
        list(range(images)),
    )


def fit_to_shared_memory(spec: TrainingSpec, device: Device, fit: Fit, wanted: int, free: int) -> Fit:
    """Reduce the loader processes to those whose batches fit into shared memory.

    Args:
        spec: The run.
        device: Each of several devices has loader processes of its own.
        fit: Its micro-batch counts.
        wanted: Loader processes per device.
        free: Bytes free in /dev/shm.

    Returns:
        The fit, with a line about what is too little.
    """
    needed = BATCHES_PER_LOADER * VALIDATION_BATCH_FACTOR * fit.micro_batch * 3 * spec.image_size**2 * device.count
    fitting = int(free * SHARE_OF_SHARED_MEMORY / needed)
    if fitting >= wanted:
        return fit
    line = f"shared memory has {free // MEGABYTE} MB free: {fitting} of {wanted} loader processes are used"
    return fit.model_copy(update={"loader_workers": fitting, "shortages": (*fit.shortages, line)})
