"""A training step in the process of a test, as the trainer makes it in its own."""

from pathlib import Path
from typing import Any

from tasks.records import TrainingSpec
from tests.fakes.libraries import imported


def make_training_step(spec: TrainingSpec, folder: Path) -> Any:
    """Make a ``TrainingStep`` that computes in fp32 on the CPU; super-gradients may log into ``folder``."""
    device, distributed, step = (
        imported(f"tasks.training.worker.{name}", folder)
        for name in ("runtime.device", "runtime.distributed", "loop.step")
    )
    computer = device.make_computer(device.Device("cpu", "32-true", channels_last=False))
    return step.TrainingStep(spec, computer, distributed.ProcessGroup(computer.fabric))
