"""``python -m tests.fakes.parity FOLDER``: our steps and super-gradients' on the same batches from the same weights.

FOLDER holds ``spec.json`` and ``data/``; ``losses.json`` is written there: the parts of each step's loss of both.
"""

import copy
import json
import sys
import threading
from pathlib import Path

from tasks import dataset_folder
from tasks.training import files
from tasks.training.worker.process import quiet_libraries


def compare(folder: Path) -> None:
    quiet_libraries(folder)
    from torch.utils.data import DataLoader

    from tasks.training.worker.device import Device
    from tasks.training.worker.events import Events
    from tasks.training.worker.loop import TrainingRun
    from tasks.training.worker.pictures import EpochBatches, training_loader
    from tests.fakes import sg_trainer

    spec, snapshot = files.read_spec(folder / "spec.json"), dataset_folder.load(folder / "data")
    run = TrainingRun(
        spec, snapshot, folder / "data", folder, events=Events(None), stop=threading.Event(),
        device=Device("cpu", "32-true", channels_last=False),
    )  # fmt: skip
    batches = [
        batch
        for epoch in range(1, spec.epochs + 1)
        for batch in training_loader(
            run.train_pictures,
            EpochBatches(len(snapshot.of_split("train")), spec.batch_size, spec.seed, epoch),
            workers=0,
        )
    ]
    network = copy.deepcopy(run.plain)
    for group in run.optimizer.param_groups:
        group["fused"] = False  # the same arithmetic, rounded otherwise; super-gradients does not use it
    run.network.train()
    ours = []
    for batch in batches:
        ours.append(run._step(batch.pictures, batch.targets))
        run.progress.steps_done += 1

    samples = [
        (picture, batch.targets[batch.targets[:, 0] == place, 1:])
        for batch in batches
        for place, picture in enumerate(batch.pictures)
    ]
    loader = DataLoader(samples, spec.batch_size, collate_fn=_pair)
    theirs, network, _ = sg_trainer.train(
        network, loader, DataLoader(samples[:2], 2, collate_fn=_pair), folder / "peer", classes=len(spec.classes),
        epochs=1, learning_rate=spec.learning_rate, weight_decay=spec.weight_decay,
    )  # fmt: skip
    weights = max((a - b).abs().max().item() for a, b in zip(run.plain.parameters(), network.parameters(), strict=True))
    (folder / "losses.json").write_text(json.dumps({"ours": ours, "theirs": theirs, "weights": weights}))


def _pair(samples):
    from tasks.training.worker.pictures import collate

    batch = collate([((picture * 255).round(), targets, 0) for picture, targets in samples])
    return batch.pictures, batch.targets


if __name__ == "__main__":
    compare(Path(sys.argv[1]))
