"""``python -m tests.fakes.several_processes FOLDER --devices N --micro-batches M ...``: steps of one run, shared or not.

FOLDER holds ``spec.json`` and ``data/``; for each M ``steps-N-M.pt`` is written there by the leader: of each step the
parts of the loss and the gradients, and the buffers after them.
"""

import argparse
from pathlib import Path
from typing import Any

import numpy as np

from tasks.local import dataset_folder
from tasks.training import files
from tasks.training.worker.runtime.imports import quick_imports
from tasks.training.worker.runtime.process import quiet_libraries

STEPS = 3


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--devices", type=int, default=1)
    parser.add_argument("--micro-batches", type=int, nargs="+", required=True)
    parser.add_argument("--fixed-norms", action="store_true", help="batch norms in eval mode")
    parser.add_argument("--double", action="store_true", help="compute in fp64")
    given = parser.parse_args()
    quiet_libraries(given.folder)
    with quick_imports(compiler=given.devices > 1):
        import torch

        from tasks.training.worker.runtime.device import Device, make_computer
        from tasks.training.worker.runtime.distributed import ProcessGroup

    if given.double:
        torch.set_default_dtype(torch.float64)
    precision = "64-true" if given.double else "32-true"
    computer = make_computer(Device("cpu", precision, channels_last=False, count=given.devices))
    process_group = ProcessGroup(computer.fabric)
    for micro_batch in given.micro_batches:
        content = first_steps(given.folder, computer, process_group, micro_batch, fixed_norms=given.fixed_norms)
        if process_group.is_main_process:
            torch.save(content, given.folder / f"steps-{given.devices}-{micro_batch}.pt")


def first_steps(
    folder: Path, computer: Any, process_group: Any, micro_batch: int, *, fixed_norms: bool
) -> dict[str, Any]:
    """A new network's first steps."""
    import torch

    from tasks.training.worker.data.augmentation import TrainingImages
    from tasks.training.worker.data.images import ImageFolder
    from tasks.training.worker.data.loaders import EpochBatches, training_loader
    from tasks.training.worker.loop.step import TrainingStep

    spec, snapshot = files.read_spec(folder / "spec.json"), dataset_folder.load(folder / "data")
    torch.manual_seed(spec.seed)
    training_step, gradients = TrainingStep(spec, computer, process_group), []

    def keep(*_: object) -> None:
        gradients.append({name: value.clone() for name, value in training_step.gradients().items()})

    training_step.optimizer.optimizer.register_step_pre_hook(keep)
    training_step.network.train()
    if fixed_norms:
        for part in training_step.network.modules():
            if isinstance(part, torch.nn.BatchNorm2d):
                part.eval()
    images = ImageFolder(folder / "data", snapshot.of_split("train"), spec.image_size)
    batches = EpochBatches(
        len(images.images), spec.batch_size, spec.seed, 1,
        micro_batch=micro_batch, rank=process_group.rank, devices=process_group.world_size,
    )  # fmt: skip
    loaded = iter(training_loader(TrainingImages(images, spec), batches, 0))
    parts = [training_step.run(step, loaded, spec.learning_rate).parts for step in batches.steps[:STEPS]]
    return {
        "parts": np.array(parts).tolist(),
        "gradients": gradients,
        "buffers": dict(training_step.network.named_buffers()),
    }


if __name__ == "__main__":
    main()
