"""Parts of a training on a GPU, each measured alone: ``python -m tests.benchmarks.peers.gpu_steps PART JOB``.

Each part is a process of its own, with memory of its own. It writes ``<part>.json`` into the job's folder.
"""

import json
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tasks.local import dataset_folder
from tasks.training.worker.runtime.process import quiet_libraries
from tests.benchmarks.peers import contestants
from tests.benchmarks.peers.jobs import Job

ROUNDS, STEPS, WARM_UP = 3, 20, 8
"""Rounds in which all run in turn, steps of a round, and steps before the first one."""
RATE = 1e-4


@dataclass
class Case:
    """A job with its run, its device, and one batch on it."""

    job: Job
    spec: Any
    snapshot: Any
    computer: Any
    batch: Any
    """With targets of the train split as the loader gives them."""

    def synchronize(self) -> None:
        """Wait for the device."""
        import torch

        if self.job.device == "cuda":
            torch.cuda.synchronize()

    def rate(self, step: Callable[[], None], steps: int = STEPS) -> float:
        """Measure images per second."""
        self.synchronize()
        start = time.perf_counter()
        for _ in range(steps):
            step()
        self.synchronize()
        return self.job.batch * steps / (time.perf_counter() - start)


def make_case(job: Job, *, load: bool) -> Case:
    """Set the device up as the trainer does, and load the first batch if it is wanted."""
    from tasks.training.worker.loop.batch_fit import loaders_wanted
    from tasks.training.worker.runtime.device import choose_device, make_computer

    spec = contestants.spec_of(job)
    snapshot = dataset_folder.load(job.own_data)
    computer = make_computer(choose_device())
    case = Case(job, spec, snapshot, computer, None)
    if load:
        case.batch = next(epoch_of(case, "standard", loaders_wanted(computer.device))(1))
    return case


def epoch_of(case: Case, preset: str, workers: int) -> Callable[[int], Iterator[Any]]:
    """Decode the train split, and give a function from the number of an epoch to its batches."""
    from tasks.training.worker.data.datasets import TrainingImages
    from tasks.training.worker.data.images import ImageFolder
    from tasks.training.worker.data.loaders import BatchPlan, EpochBatches, training_loader

    images = ImageFolder(case.job.own_data, case.snapshot.of_split("train"), case.job.size)
    images.fill_cache(case.job.loaders, case.job.folder)
    spec = case.spec.model_copy(update={"augmentation": preset, "epochs": 1000})
    dataset = TrainingImages(images, spec)
    plan = BatchPlan(len(images.images), case.job.batch, spec.seed)
    return lambda epoch: iter(training_loader(dataset, EpochBatches(plan, epoch), workers))


def training_step(case: Case, *, compiled: bool = False) -> Any:
    """Make our training step."""
    from tasks.training.worker.loop.step import TrainingStep
    from tasks.training.worker.runtime.distributed import ProcessGroup

    step = TrainingStep(case.spec, case.computer, ProcessGroup(case.computer.fabric), compiled=compiled)
    step.network.train()
    return step


def our_step(case: Case, step: Any) -> Callable[[], None]:
    """Have our training step take the case's batch, which stays on the device."""
    from tasks.training.worker.data.loaders import Batch, MicroBatch, StepPlan

    move, batch = case.computer.to_device, case.batch
    resident = Batch(move(batch.images), move(batch.targets), batch.indices)
    plan = StepPlan([MicroBatch(batch.indices)], len(batch.indices))
    return lambda: step.run(plan, iter([resident]), RATE)


def bare_step(case: Case) -> Callable[[], None]:
    """Make a plain step of torch: the same network, loss and optimizer, with autocast, and nothing else."""
    import torch

    from tasks.training.worker.model.loss import make_loss
    from tasks.training.worker.model.network import build_network

    device = case.computer.fabric.device
    network = build_network(case.spec.variant, len(case.spec.classes)).to(device)
    network.to(memory_format=torch.channels_last).train()
    loss_of = make_loss(len(case.spec.classes))
    trainable = [parameter for parameter in network.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(trainable, RATE, fused=True)
    images, targets = case.computer.images(case.batch.images), case.computer.to_device(case.batch.targets)

    def run() -> None:
        with torch.autocast(device.type, torch.bfloat16):
            loss, _ = loss_of(network(images), targets)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    return run


def measure_steps(case: Case) -> dict[str, Any]:
    """Images per second of our step and the bare one, each with deterministic kernels and without, in turn."""
    import torch

    variants = {
        "bare": (bare_step(case), False), "bare, deterministic": (bare_step(case), True),
        "ours": (our_step(case, training_step(case)), True),
        "ours, not deterministic": (our_step(case, training_step(case)), False),
    }  # fmt: skip
    rates: dict[str, list[float]] = {name: [] for name in variants}
    for number in range(ROUNDS + 1):
        for name, (step, deterministic) in variants.items():
            torch.use_deterministic_algorithms(deterministic, warn_only=True)
            rate = case.rate(step, STEPS if number else WARM_UP)
            rates[name] += [rate] if number else []
    return {"images_per_second": rates, "precision": str(case.computer.device)}


def measure_compiled(case: Case) -> dict[str, Any]:
    """Images per second with torch.compile and without, in turn, and the seconds that the first step takes."""
    plain = our_step(case, training_step(case))
    compiled = our_step(case, training_step(case, compiled=True))
    start = time.perf_counter()
    case.rate(compiled, 1)
    first = time.perf_counter() - start
    rates: dict[str, list[float]] = {"plain": [], "compiled": []}
    for number in range(ROUNDS + 1):
        for name, step in (("plain", plain), ("compiled", compiled)):
            rate = case.rate(step, STEPS if number else WARM_UP)
            rates[name] += [rate] if number else []
    return {"images_per_second": rates, "first_step_seconds": first}


def measure_loader(case: Case) -> dict[str, Any]:
    """Images per second of our loader alone: whole epochs with the start of its processes."""
    from tasks.training.worker.loop.batch_fit import loaders_wanted

    workers = loaders_wanted(case.computer.device)
    rates: dict[str, list[float]] = {}
    for preset in ("standard", "strong"):
        epoch = epoch_of(case, preset, workers)
        rates[preset] = []
        for number in range(1, ROUNDS + 1):
            start = time.perf_counter()
            count = sum(len(batch.indices) for batch in epoch(number))
            rates[preset].append(count / (time.perf_counter() - start))
    pinned = case.batch.images.is_pinned() if case.job.device == "cuda" else None
    return {"images_per_second": rates, "workers": workers, "pinned": pinned}


def measure_fit(case: Case) -> dict[str, Any]:
    """The micro-batch that is fitted to a batch too large for the GPU, and what a step with it takes."""
    import torch

    from tasks.training.contract.fit import Fit
    from tasks.training.worker.loop.batch_fit import fit_to_gpu, grey_batch

    boxes = max(len(image.boxes) for image in case.snapshot.of_split("train"))
    step = training_step(case)
    start = time.perf_counter()
    fit = fit_to_gpu(case.spec, step, Fit(micro_batch=case.job.batch), boxes)
    seconds = time.perf_counter() - start
    torch.cuda.reset_peak_memory_stats()
    case.batch = grey_batch(fit.micro_batch, case.job.size, boxes)
    run = our_step(case, step)
    for _ in range(3):
        run()
    return {
        "batch": case.job.batch, "micro_batch": fit.micro_batch, "shortages": list(fit.shortages), "seconds": seconds,
        "peak_memory_bytes": torch.cuda.max_memory_allocated(), "memory_bytes": torch.cuda.mem_get_info()[1],
    }  # fmt: skip


def measure_saving(case: Case) -> dict[str, Any]:
    """What saving costs: how long training waits, and how much longer the steps take while a thread writes."""
    from tasks.records import BestEpoch
    from tasks.training.worker.loop.checkpointer import Checkpointer
    from tasks.training.worker.loop.progress import Progress
    from tasks.training.worker.runtime.events import Events

    saved = training_step(case)
    step = our_step(case, saved)
    case.rate(step, WARM_UP)
    saver = Checkpointer(case.spec, case.job.folder, saved, Events(None), 0.0)
    waits, lost = [], []
    for number in range(1, ROUNDS + 1):
        plain = len(case.batch.indices) * STEPS * 2 / case.rate(step, STEPS * 2)
        start = time.perf_counter()
        saver.after_epoch(
            Progress(epochs_done=number, best=BestEpoch(epoch=number, map=0.1, valid_loss=1.0)), last=False
        )
        waits.append(time.perf_counter() - start)
        case.rate(step, STEPS * 2)
        lost.append(time.perf_counter() - start - plain)
        saver.wait()
    saver.close()
    return {"wait_seconds": waits, "lost_seconds": lost}


PARTS: dict[str, Callable[[Case], dict[str, Any]]] = {
    "steps": measure_steps, "compiled": measure_compiled, "loader": measure_loader, "fit": measure_fit,
    "saving": measure_saving,
}  # fmt: skip


def main() -> None:
    part, job = sys.argv[1], Job(**json.loads(sys.argv[2]))
    job.folder.mkdir(exist_ok=True)
    quiet_libraries(job.folder)
    result = PARTS[part](make_case(job, load=part != "fit"))
    Path(job.folder / f"{part}.json").write_text(json.dumps(result))


if __name__ == "__main__":
    main()
