"""``python -m tests.fakes.parity FOLDER``: our steps and super-gradients' on the same batches from the same weights.

FOLDER holds ``spec.json`` and ``data/``. ``losses.json`` is written there: the loss parts of each step of both, and how
far apart their weights are in the end.
"""

import copy
import json
import sys
from pathlib import Path

from tasks.local import dataset_folder
from tasks.records import TrainingSpec
from tasks.training.contract import files
from tasks.training.contract.job import TrainingWork
from tasks.training.worker.runtime.process import quiet_libraries


def compare(folder: Path) -> None:
    quiet_libraries(folder)
    from super_gradients.training.utils.ema import ModelEMA
    from torch.utils.data import DataLoader

    from tasks.training.worker.data.loaders import BatchPlan, EpochBatches, training_loader
    from tasks.training.worker.loop.training import TrainingRun
    from tasks.training.worker.run_job import RunJob, Supervision
    from tasks.training.worker.runtime.device import Device
    from tests.fakes import sg_trainer

    spec, snapshot = files.read_spec(folder / "spec.json"), dataset_folder.load(folder / "data")
    device = Device("cpu", "32-true", channels_last=False)
    work = TrainingWork(spec=spec, data=folder / "data", out=folder)
    run = TrainingRun(RunJob(work, snapshot), device, Supervision())
    plan = BatchPlan(len(snapshot.of_split("train")), spec.batch_size, spec.seed)
    epochs = [EpochBatches(plan, epoch) for epoch in range(1, spec.epochs + 1)]
    batches = [batch for epoch in epochs for batch in training_loader(run.data.train, epoch, workers=0)]
    training_step = run.training_step
    their_network = copy.deepcopy(training_step.network)
    for group in training_step.optimizer.param_groups:
        group["fused"] = False  # the same arithmetic, rounded otherwise; super-gradients does not use it
    training_step.network.train()
    remaining = iter(batches)
    their_ema = ModelEMA.from_params(training_step.network, decay_type="threshold", decay=spec.ema_decay)
    ours = []
    for number, step in enumerate(step for epoch in epochs for step in epoch.steps):
        ours.append(training_step.run(step, remaining, run._learning_rate()).parts)
        run.progress.steps_done += 1
        their_ema.update(training_step.network, step=number, total_steps=len(batches))
    ema_state, their_ema_state = training_step.ema_network.state_dict(), their_ema.ema.state_dict()

    samples = samples_of(batches)
    loader = DataLoader(samples, spec.batch_size, collate_fn=pair)
    valid_loader = DataLoader(samples[:2], 2, collate_fn=pair)
    peer = sg_trainer.train(their_network, loader, valid_loader, folder / "peer", spec, half=False)
    pairs = zip(training_step.network.parameters(), peer.network.parameters(), strict=True)
    content = {
        "ours": ours,
        "theirs": peer.losses,
        "weights": max((a - b).abs().max().item() for a, b in pairs),
        "ema": max(
            (value - their_ema_state[name]).abs().max().item()
            for name, value in ema_state.items()
            if value.is_floating_point()
        ),
        "rates": rates(spec),
    }
    (folder / "losses.json").write_text(json.dumps(content))


def rates(spec: TrainingSpec) -> list[list[float]]:
    """Learning rates after the warm-up, ours and those of super-gradients' cosine: 400 steps, 40 to warm up."""
    from super_gradients.training.utils.callbacks.callbacks import CosineLRScheduler

    from tasks.training.worker.loop.schedule import learning_rate

    cosine = spec.model_copy(update={"warmup_steps": 40, "final_learning_rate_ratio": 0.1})
    ours = [learning_rate(cosine, step, 400) for step in range(40, 400)]
    peak, last = cosine.learning_rate, cosine.final_learning_rate_ratio
    theirs = [CosineLRScheduler.compute_learning_rate(step, 360, peak, last) for step in range(360)]
    return [ours, theirs]


def samples_of(batches):
    """All images of batches, each with its targets."""
    return [
        (image, batch.targets[batch.targets[:, 0] == place, 1:])
        for batch in batches
        for place, image in enumerate(batch.images)
    ]


def pair(samples):
    """Images fp32 in [0, 1] and targets, as super-gradients' loaders give them."""
    from tasks.training.worker.data.loaders import collate

    batch = collate([(image, targets, 0) for image, targets in samples])
    return batch.images.float() / 255, batch.targets


if __name__ == "__main__":
    compare(Path(sys.argv[1]))
