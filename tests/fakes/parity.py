"""``python -m tests.fakes.parity FOLDER``: our steps and super-gradients' on the same batches from the same weights.

FOLDER holds ``spec.json`` and ``data/``; ``losses.json`` is written there: the parts of each step's loss of both.
"""

import copy
import json
import sys
import threading
from pathlib import Path

from tasks.local import dataset_folder
from tasks.training import files
from tasks.training.worker.runtime.process import quiet_libraries


def compare(folder: Path) -> None:
    quiet_libraries(folder)
    from super_gradients.training.utils.ema import ModelEMA
    from torch.utils.data import DataLoader

    from tasks.training.worker.data.loaders import EpochBatches, training_loader
    from tasks.training.worker.loop.training import Options, TrainingRun
    from tasks.training.worker.runtime.device import Device
    from tasks.training.worker.runtime.events import Events
    from tests.fakes import sg_trainer

    spec, snapshot = files.read_spec(folder / "spec.json"), dataset_folder.load(folder / "data")
    run = TrainingRun(
        spec, snapshot, folder / "data", folder, events=Events(None), stop=threading.Event(),
        options=Options(Device("cpu", "32-true", channels_last=False)),
    )  # fmt: skip
    epochs = [
        EpochBatches(len(snapshot.of_split("train")), spec.batch_size, spec.seed, epoch)
        for epoch in range(1, spec.epochs + 1)
    ]
    batches = [batch for epoch in epochs for batch in training_loader(run.train_images, epoch, workers=0)]
    network = copy.deepcopy(run.training_step.network)
    for group in run.training_step.optimizer.param_groups:
        group["fused"] = False  # the same arithmetic, rounded otherwise; super-gradients does not use it
    run.training_step.network.train()
    loaded = iter(batches)
    their_average = ModelEMA.from_params(run.training_step.network, decay_type="threshold", decay=spec.ema_decay)
    ours = []
    for number, step in enumerate(step for epoch in epochs for step in epoch.steps):
        ours.append(run.training_step.run(step, loaded, run._learning_rate()).parts)
        run.progress.steps_done += 1
        their_average.update(run.training_step.network, step=number, total_steps=len(batches))
    ema_state = run.training_step.ema_network.state_dict(), their_average.ema.state_dict()

    samples = [
        (image, batch.targets[batch.targets[:, 0] == place, 1:])
        for batch in batches
        for place, image in enumerate(batch.images)
    ]
    loader = DataLoader(samples, spec.batch_size, collate_fn=_pair)
    theirs, network, _ = sg_trainer.train(
        network, loader, DataLoader(samples[:2], 2, collate_fn=_pair), folder / "peer", classes=len(spec.classes),
        epochs=1, learning_rate=spec.learning_rate, weight_decay=spec.weight_decay,
    )  # fmt: skip
    weights = max(
        (a - b).abs().max().item()
        for a, b in zip(run.training_step.network.parameters(), network.parameters(), strict=True)
    )
    average = max((a - ema_state[1][n]).abs().max().item() for n, a in ema_state[0].items() if a.is_floating_point())
    content = {"ours": ours, "theirs": theirs, "weights": weights, "average": average, "rates": rates(spec)}
    (folder / "losses.json").write_text(json.dumps(content))


def rates(spec):
    """Learning rates after the warm-up, ours and those of super-gradients' cosine: 400 steps, 40 to warm up."""
    from super_gradients.training.utils.callbacks.callbacks import CosineLRScheduler

    from tasks.training.worker.loop.schedule import learning_rate

    cosine = spec.model_copy(update={"warmup_steps": 40, "final_learning_rate_ratio": 0.1})
    ours = [learning_rate(cosine, step, 400) for step in range(40, 400)]
    peak, last = cosine.learning_rate, cosine.final_learning_rate_ratio
    theirs = [CosineLRScheduler.compute_learning_rate(step, 360, peak, last) for step in range(360)]
    return [ours, theirs]


def _pair(samples):
    from tasks.training.worker.data.loaders import collate

    batch = collate([(image, targets, 0) for image, targets in samples])
    return batch.images.float() / 255, batch.targets


if __name__ == "__main__":
    compare(Path(sys.argv[1]))
