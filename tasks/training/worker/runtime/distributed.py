"""The processes that train one run together, one per device. A single process is a group of one."""

from collections.abc import Callable
from typing import TypeVar

import torch
import torch.distributed
from lightning_fabric import Fabric
from torch import Tensor, nn

Value = TypeVar("Value")


class ProcessGroup:
    """Collective operations. Every process must call the same ones in the same order.

    Attributes:
        rank: Number of this process, from 0.
        world_size: Number of processes.
    """

    def __init__(self, fabric: Fabric) -> None:
        self._fabric = fabric
        self.rank: int = fabric.global_rank
        self.world_size: int = fabric.world_size

    @property
    def is_main_process(self) -> bool:
        """Whether this process writes files and reports events."""
        return self.rank == 0

    def all_reduce_sum(self, values: Tensor) -> Tensor:
        """Sum a tensor over all processes, without gradients."""
        if self.world_size == 1:
            return values
        total: Tensor = self._fabric.all_reduce(values, reduce_op="sum")
        return total

    def all_reduce_sum_(self, values: Tensor) -> None:
        """Sum a tensor over all processes, in place."""
        if self.world_size > 1:
            torch.distributed.all_reduce(values)

    def any(self, condition: bool) -> bool:
        """Whether the condition holds in any process."""
        if self.world_size == 1:
            return condition
        return bool(self.all_reduce_sum(self._fabric.to_device(torch.tensor(float(condition)))) > 0)

    def all_gather(self, value: Value) -> list[Value]:
        """Every process's value, by rank."""
        if self.world_size == 1:
            return [value]
        values: list[Value] = [value] * self.world_size
        torch.distributed.all_gather_object(values, value)
        return values

    def on_main_process(self, make: Callable[[], Value]) -> Value:
        """Call ``make`` in the main process, and give its value to all processes."""
        if self.world_size == 1:
            return make()
        value: Value = self._fabric.broadcast(make() if self.is_main_process else None)
        return value

    def sync_batch_norms(self, network: nn.Module) -> nn.Module:
        """Have batch norms take their statistics over the images of all processes; names of parameters stay.

        torch's own SyncBatchNorm works on GPUs only.
        """
        if self.world_size == 1:
            return network
        if self._fabric.device.type == "cuda":
            synced: nn.Module = nn.SyncBatchNorm.convert_sync_batchnorm(network)  # type: ignore[no-untyped-call]
            return synced
        norms = {name: part for name, part in network.named_modules() if type(part) is nn.BatchNorm2d}
        for name, norm in norms.items():
            network.set_submodule(name, CpuSyncBatchNorm2d.from_batch_norm(norm))
        return network


class AllReduceSum(torch.autograd.Function):
    """The sum over all processes, with gradients."""

    @staticmethod
    def forward(context: object, values: Tensor) -> Tensor:
        """Sum a tensor of any shape into a new one."""
        total = values.clone()
        torch.distributed.all_reduce(total)
        return total

    @staticmethod
    def backward(context: object, gradient: Tensor) -> Tensor:
        """Sum the gradients of all processes."""
        return AllReduceSum.forward(context, gradient)


class CpuSyncBatchNorm2d(nn.BatchNorm2d):
    """``nn.BatchNorm2d`` with mean and variance over the images of all processes."""

    @classmethod
    def from_batch_norm(cls, norm: nn.BatchNorm2d) -> "CpuSyncBatchNorm2d":
        """Make one that shares the parameters and running statistics of ``norm``."""
        synced = cls(norm.num_features, norm.eps, norm.momentum, device="meta")
        synced.weight, synced.bias = norm.weight, norm.bias
        synced.running_mean, synced.running_var = norm.running_mean, norm.running_var
        synced.num_batches_tracked = norm.num_batches_tracked
        return synced.train(norm.training)

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002, torch's name
        """Normalize ``[B, C, H, W]``."""
        if not self.training:
            return super().forward(input)
        values = input.to(torch.promote_types(input.dtype, torch.float32))
        count = self._sum(values.new_tensor([float(values.numel() // values.shape[1])]))
        mean = self._sum(values.sum(dim=(0, 2, 3))) / count
        centred = values - mean[:, None, None]
        variance = self._sum(centred.square().sum(dim=(0, 2, 3))) / count
        self._update_running_statistics(mean.detach(), variance.detach() * count / (count - 1))
        scale = self.weight * torch.rsqrt(variance + self.eps)
        return (centred * scale[:, None, None] + self.bias[:, None, None]).to(input.dtype)

    @staticmethod
    def _sum(values: Tensor) -> Tensor:
        total: Tensor = AllReduceSum.apply(values)
        return total

    @torch.no_grad()
    def _update_running_statistics(self, mean: Tensor, variance: Tensor) -> None:
        momentum = self.momentum or 0.0
        if self.running_mean is not None and self.running_var is not None and self.num_batches_tracked is not None:
            self.num_batches_tracked += 1
            self.running_mean.lerp_(mean, momentum)
            self.running_var.lerp_(variance, momentum)
