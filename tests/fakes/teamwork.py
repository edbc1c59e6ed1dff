"""``python -m tests.fakes.teamwork FOLDER --devices N --micro-batch M``: steps of one run, shared or not.

FOLDER holds ``spec.json`` and ``data/``; ``steps-N-M.pt`` is written there by the leader: of each step the parts of the
loss and the gradients, and the weights and buffers after them.
"""

import argparse
from pathlib import Path

import numpy as np

from tasks import dataset_folder
from tasks.training import files
from tasks.training.worker.process import quiet_libraries

STEPS = 3


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--devices", type=int, default=1)
    parser.add_argument("--micro-batch", type=int, required=True)
    parser.add_argument("--fixed-norms", action="store_true", help="batch norms in eval mode")
    parser.add_argument("--double", action="store_true", help="compute in fp64")
    given = parser.parse_args()
    quiet_libraries(given.folder)
    import torch

    from tasks.training.worker.augmentation import TrainingPictures
    from tasks.training.worker.batches import EpochBatches, training_loader
    from tasks.training.worker.device import Device, make_computer
    from tasks.training.worker.learner import Learner
    from tasks.training.worker.pictures import PictureFolder
    from tasks.training.worker.team import Team

    spec, snapshot = files.read_spec(given.folder / "spec.json"), dataset_folder.load(given.folder / "data")
    if given.double:
        torch.set_default_dtype(torch.float64)
    precision = "64-true" if given.double else "32-true"
    computer = make_computer(Device("cpu", precision, channels_last=False, count=given.devices))
    team = Team(computer.fabric)
    torch.manual_seed(spec.seed)
    learner = Learner(spec, computer, team)
    gradients = []

    def keep(*_: object) -> None:
        gradients.append({name: value.clone() for name, value in learner.gradients().items()})

    learner.optimizer.optimizer.register_step_pre_hook(keep)
    learner.network.train()
    if given.fixed_norms:
        for part in learner.network.modules():
            if isinstance(part, torch.nn.BatchNorm2d):
                part.eval()
    pictures = PictureFolder(given.folder / "data", snapshot.of_split("train"), spec.image_size)
    batches = EpochBatches(
        len(pictures.images), spec.batch_size, spec.seed, 1,
        micro_batch=given.micro_batch, rank=team.rank, devices=team.size,
    )  # fmt: skip
    loaded = iter(training_loader(TrainingPictures(pictures, spec), batches, 0))
    parts = [learner.step(step, loaded, spec.learning_rate).parts for step in batches.steps[:STEPS]]
    if team.leads:
        content = {
            "parts": np.array(parts).tolist(), "gradients": gradients,
            "weights": dict(learner.network.named_parameters()), "buffers": dict(learner.network.named_buffers()),
        }  # fmt: skip
        torch.save(content, given.folder / f"steps-{given.devices}-{given.micro_batch}.pt")


if __name__ == "__main__":
    main()
