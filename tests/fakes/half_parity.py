"""``python -m tests.fakes.half_parity FOLDER``: our steps in bf16 and channels-last beside super-gradients'.

FOLDER holds ``spec.json`` and ``data/``. All start from a network that was trained for a while: with random weights a
rounding moves which boxes predictions are assigned to, and gradients differ by more than their size.
``comparison.json`` is written there, with three sides: ``ours``, super-gradients' network and trainer with plain
autocast (``autocast``), and the same in fp32 (``exact``).
"""

import json
import sys
from pathlib import Path

from tasks.local import dataset_folder
from tasks.training.contract import files
from tasks.training.contract.job import TrainingWork
from tasks.training.worker.runtime.process import quiet_libraries

FITTING_STEPS = 100


def compare(folder: Path) -> None:
    quiet_libraries(folder)
    import torch
    from torch.utils.data import DataLoader

    from tasks.training.worker.data.loaders import BatchPlan, EpochBatches, training_loader
    from tasks.training.worker.loop.training import TrainingRun
    from tasks.training.worker.model.network import build_network
    from tasks.training.worker.run_job import RunJob, Supervision
    from tasks.training.worker.runtime.device import Device
    from tests.fakes import sg_trainer
    from tests.fakes.parity import pair, samples_of

    spec, snapshot = files.read_spec(folder / "spec.json"), dataset_folder.load(folder / "data")
    device = Device("cpu", "bf16-mixed", channels_last=True)
    work = TrainingWork(spec=spec, data=folder / "data", out=folder)
    run = TrainingRun(RunJob(work, snapshot), device, Supervision())
    plan = BatchPlan(len(snapshot.of_split("train")), spec.batch_size, spec.seed)
    epochs = [EpochBatches(plan, epoch) for epoch in range(1, spec.epochs + 1)]
    batches = [batch for epoch in epochs for batch in training_loader(run.data.train, epoch, workers=0)]
    samples, step = samples_of(batches), run.training_step

    def loader(count):
        return DataLoader(samples[:count], spec.batch_size, collate_fn=pair)

    start = build_network(spec.variant, len(spec.classes))
    start.load_state_dict(step.network.state_dict())
    _fit(start, list(loader(None)), spec)
    step.network.load_state_dict(start.state_dict())

    def fresh():
        network = build_network(spec.variant, len(spec.classes))
        network.load_state_dict(start.state_dict())
        return network

    images, targets = next(iter(loader(spec.batch_size)))
    exact = sg_trainer.gradients(fresh(), images, targets, spec, half=False)
    autocast = sg_trainer.gradients(fresh(), images, targets, spec, half=True)
    step.network.train()
    remaining, losses = iter(batches), []
    for number, one in enumerate(one for epoch in epochs for one in epoch.steps):
        losses.append(step.run(one, remaining, spec.learning_rate).parts)
        if number == 0:
            views = step.gradients()
            ours = {name: views[name].reshape(gradient.shape).clone() for name, gradient in exact.items()}
    peers = {
        half: sg_trainer.train(fresh(), loader(None), loader(spec.batch_size), folder / f"half {half}", spec, half=half)
        for half in (True, False)
    }

    def moved(network):
        pairs = zip(network.parameters(), start.parameters(), strict=True)
        return torch.cat([(now - before).detach().flatten() for now, before in pairs])

    exact_gradient, exact_move = _flat(exact), moved(peers[False].network)
    content = {
        "losses": {"ours": losses, "autocast": peers[True].losses, "exact": peers[False].losses},
        "gradients": {
            "ours": _against(_flat(ours), exact_gradient), "autocast": _against(_flat(autocast), exact_gradient),
        },
        "moves": {
            "ours": _against(moved(step.network), exact_move),
            "autocast": _against(moved(peers[True].network), exact_move),
        },
    }  # fmt: skip
    (folder / "comparison.json").write_text(json.dumps(content))


def _fit(network, batches, spec):
    """Train in fp32, with super-gradients' loss and torch's optimizer."""
    import torch

    from tests.fakes import sg_trainer

    loss, optimizer = sg_trainer.RecordedLoss(len(spec.classes)), torch.optim.AdamW(network.parameters(), 1e-3)
    network.train()
    for number in range(FITTING_STEPS):
        images, targets = batches[number % len(batches)]
        optimizer.zero_grad()
        loss(network(images), targets)[0].backward()
        optimizer.step()


def _flat(gradients):
    import torch

    return torch.cat([gradient.flatten() for gradient in gradients.values()])


def _against(one, exact):
    """Length of what differs, as a share of the exact vector's; and the part of it that ``one`` has, 1 for all."""
    return {"error": ((one - exact).norm() / exact.norm()).item(), "share": ((one @ exact) / (exact @ exact)).item()}


if __name__ == "__main__":
    compare(Path(sys.argv[1]))
