"""``python -m tests.fakes.several_processes FOLDER --devices N --micro-batches M ...``: first steps of a run.

FOLDER holds ``spec.json`` and ``data/``. For each M the main process writes ``steps-N-M.pt`` there: the loss parts and
the gradients of each step, and the buffers after the last one.
"""

import argparse
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from tasks.local import dataset_folder
from tasks.training.contract import files
from tasks.training.worker.runtime.process import heavy_imports, quiet_libraries

STEPS = 3


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--devices", type=int, default=1)
    parser.add_argument("--micro-batches", type=int, nargs="+", required=True)
    parser.add_argument("--fixed-norms", action="store_true", help="batch norms in eval mode")
    parser.add_argument("--double", action="store_true", help="compute in fp64")
    options = parser.parse_args()
    quiet_libraries(options.folder)
    with heavy_imports():
        import torch

        from tasks.training.worker.runtime.device import Device, make_computer
        from tasks.training.worker.runtime.distributed import ProcessGroup

    device = Device("cpu", "32-true", channels_last=False, count=options.devices)
    if options.double:
        torch.set_default_dtype(torch.float64)
        device = replace(device, precision="64-true")  # type: ignore[arg-type]  # of Fabric's, which no run has
    computer = make_computer(device)
    process_group = ProcessGroup(computer.fabric)
    for micro_batch in options.micro_batches:
        content = first_steps(options.folder, computer, process_group, micro_batch, fixed_norms=options.fixed_norms)
        if process_group.is_main_process:
            torch.save(content, options.folder / f"steps-{options.devices}-{micro_batch}.pt")


def first_steps(
    folder: Path, computer: Any, process_group: Any, micro_batch: int, *, fixed_norms: bool
) -> dict[str, Any]:
    """Do the first steps of a new network."""
    import torch

    from tasks.training.worker.data.datasets import TrainingImages
    from tasks.training.worker.data.images import ImageFolder
    from tasks.training.worker.data.loaders import BatchPlan, EpochBatches, training_loader
    from tasks.training.worker.loop.step import TrainingStep
    from tasks.training.worker.model.batch_norms import batch_norms

    spec, snapshot = files.read_spec(folder / "spec.json"), dataset_folder.load(folder / "data")
    torch.manual_seed(spec.seed)
    training_step, gradients = TrainingStep(spec, computer, process_group), []

    def keep_gradients(*_: object) -> None:
        gradients.append({name: value.clone() for name, value in training_step.gradients().items()})

    training_step.optimizer.optimizer.register_step_pre_hook(keep_gradients)
    training_step.network.train()
    if fixed_norms:
        for norm in batch_norms(training_step.network):
            norm.eval()
    images = ImageFolder(folder / "data", snapshot.of_split("train"), spec.image_size)
    plan = BatchPlan(
        image_count=len(images.images), batch_size=spec.batch_size, seed=spec.seed, micro_batch=micro_batch,
        rank=process_group.rank, world_size=process_group.world_size,
    )  # fmt: skip
    epoch = EpochBatches(plan, epoch=1)
    batches = iter(training_loader(TrainingImages(images, spec), epoch, workers=0))
    parts = [training_step.run(step, batches, spec.learning_rate).parts for step in epoch.steps[:STEPS]]
    return {
        "parts": np.array(parts).tolist(),
        "gradients": gradients,
        "buffers": dict(training_step.network.named_buffers()),
    }


if __name__ == "__main__":
    main()
