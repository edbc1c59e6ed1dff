"""A learner in the process of a test, as the trainer makes it in its own."""

from pathlib import Path
from typing import Any

from tasks.records import TrainingSpec
from tests.fakes.libraries import imported


def make_learner(spec: TrainingSpec, folder: Path) -> Any:
    """A ``Learner`` that computes in fp32 on the processor; super-gradients may log into ``folder``."""
    device, team, learner = (
        imported(f"tasks.training.worker.{name}", folder)
        for name in ("runtime.device", "runtime.distributed", "loop.step")
    )
    computer = device.make_computer(device.Device("cpu", "32-true", channels_last=False))
    return learner.Learner(spec, computer, team.Team(computer.fabric))
