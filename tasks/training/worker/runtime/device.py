"""Devices and number format, chosen by what the machine can do, and moving tensors to the device."""

import os
from dataclasses import dataclass
from typing import Literal

import torch
from lightning_fabric import Fabric
from torch import Tensor

from tasks.errors import BadSpec
from tasks.local.processor import processor_name
from tasks.training.worker.runtime.process import Precision


@dataclass(frozen=True)
class Device:
    """Where to compute, and how."""

    accelerator: Literal["cpu", "cuda"]
    precision: Precision
    channels_last: bool
    count: int = 1

    def __str__(self) -> str:
        """Such as ``2 x cuda bf16-mixed channels-last``."""
        several = f"{self.count} x " if self.count > 1 else ""
        return f"{several}{self.accelerator} {self.precision}{' channels-last' if self.channels_last else ''}"

    @property
    def memory_format(self) -> torch.memory_format:
        """Memory layout of images and convolution weights."""
        return torch.channels_last if self.channels_last else torch.contiguous_format

    @property
    def half(self) -> torch.dtype | None:
        """Number format of convolutions where it is less than fp32."""
        return {"bf16-mixed": torch.bfloat16, "16-mixed": torch.float16}.get(self.precision)


@dataclass(frozen=True)
class Computer:
    """A device with lightning-fabric on it."""

    device: Device
    fabric: Fabric

    def to_device(self, tensor: Tensor) -> Tensor:
        """Move a tensor to the device."""
        moved: Tensor = self.fabric.to_device(tensor)
        return moved

    def images(self, images: Tensor) -> Tensor:
        """Move images to the device as a network takes them.

        They become fp32 on the device, since bytes are a quarter of what must be moved.

        Args:
            images: ``[B, 3, S, S]`` uint8.

        Returns:
            fp32 in [0, 1], in the device's memory layout.
        """
        return self.to_device(images).to(torch.float32, memory_format=self.device.memory_format).div_(255)


def choose_device(precision: Precision | None = None, devices: int = 1) -> Device:
    """Choose GPUs where there are some, and bf16 where the processor computes it in hardware.

    Memory is channels-last everywhere: about 1.5 times as fast on a CPU, where ``guard_channels_last`` makes it safe.

    Args:
        precision: Number format to use instead.
        devices: Number of GPUs; without a GPU, number of processes that share the processor.

    Returns:
        The device.

    Raises:
        BadSpec: fp16 without a GPU, or fewer GPUs than asked for.
    """
    if torch.cuda.is_available():
        if devices > (count := torch.cuda.device_count()):
            raise BadSpec(f"devices {devices}: this machine has {count} GPUs; ask for as many at most")
        half: Precision = "bf16-mixed" if torch.cuda.is_bf16_supported(including_emulation=False) else "16-mixed"
        return Device("cuda", precision or half, channels_last=True, count=devices)
    if precision == "16-mixed":
        raise BadSpec("precision fp16 needs a GPU, and there is none; take bf16 or fp32")
    abilities = torch.cpu.get_capabilities()
    in_hardware = abilities.get("avx512_bf16") or abilities.get("amx_bf16")
    chosen: Precision = precision or ("bf16-mixed" if in_hardware else "32-true")
    return Device("cpu", chosen, channels_last=True, count=devices)


def make_computer(device: Device) -> Computer:
    """Set up lightning-fabric on the device. With several devices it starts one more process for each other one."""
    if device.accelerator == "cuda":
        compute_deterministically()
    if device.count == 1:
        return Computer(device, Fabric(accelerator=device.accelerator, devices=1, precision=device.precision))
    # The strategy is used for its processes alone: no network is wrapped in DistributedDataParallel.
    fabric = Fabric(accelerator=device.accelerator, devices=device.count, strategy="ddp", precision=device.precision)
    fabric.launch()
    return Computer(device, fabric)


def compute_deterministically() -> None:
    """Have a GPU compute the same each time, so that a resumed run equals an uninterrupted one to the bit."""
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.backends.cudnn.benchmark = False
    torch.use_deterministic_algorithms(True, warn_only=True)
    # Fresh memory would be filled before each use: a fifth of a step. Nothing here reads what it did not write.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]


def machine_name() -> str:
    """Processor, and GPU where there is one, as their makers call them."""
    processor = processor_name()
    return f"{processor}, {torch.cuda.get_device_name()}" if torch.cuda.is_available() else processor
