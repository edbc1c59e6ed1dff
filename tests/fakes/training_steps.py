"""A learner in the process of a test, as the trainer makes it in its own."""

from pathlib import Path
from typing import Any

from tasks.records import TrainingSpec
from tests.fakes.libraries import imported


def make_training_step(spec: TrainingSpec, folder: Path) -> Any:
    """A ``Learner`` that computes in fp32 on the processor; super-gradients may log into ``folder``."""
    device, process_group, training_step = (
        imported(f"tasks.training.worker.{name}", folder)
        for name in ("runtime.device", "runtime.distributed", "loop.step")
    )
    computer = device.make_computer(device.Device("cpu", "32-true", channels_last=False))
    return training_step.TrainingStep(spec, computer, process_group.ProcessGroup(computer.fabric))
