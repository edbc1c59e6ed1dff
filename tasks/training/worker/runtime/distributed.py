"""The processes that train together, one a device; one process alone is a team, too, and waits for nobody."""

from collections.abc import Callable
from typing import TypeVar

import torch
import torch.distributed
from lightning_fabric import Fabric
from torch import Tensor, nn

Value = TypeVar("Value")


class ProcessGroup:
    """What processes tell each other. All of them have to ask the same in the same order."""

    def __init__(self, fabric: Fabric) -> None:
        self._fabric = fabric
        self.rank: int = fabric.global_rank
        self.world_size: int = fabric.world_size

    @property
    def is_main_process(self) -> bool:
        """Whether this process is the one that writes files and tells events."""
        return self.rank == 0

    def all_reduce_sum(self, values: Tensor) -> Tensor:
        """Sums over all processes; no gradients flow."""
        if self.world_size == 1:
            return values
        total: Tensor = self._fabric.all_reduce(values, reduce_op="sum")
        return total

    def all_reduce_sum_(self, values: Tensor) -> None:
        """Make ``values`` their sums over all processes."""
        if self.world_size > 1:
            torch.distributed.all_reduce(values)

    def any(self, condition: bool) -> bool:
        """Whether it is so in any process."""
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
        """What the leader makes, and the others do not."""
        if self.world_size == 1:
            return make()
        told: Value = self._fabric.broadcast(make() if self.is_main_process else None)
        return told

    def sync_batch_norms(self, network: nn.Module) -> nn.Module:
        """Have batch norms take their statistics over all processes' images; names of tensors stay.

        torch's own SyncBatchNorm works on GPUs alone.
        """
        if self.world_size == 1:
            return network
        if self._fabric.device.type == "cuda":
            shared: nn.Module = nn.SyncBatchNorm.convert_sync_batchnorm(network)  # type: ignore[no-untyped-call]
            return shared
        for part in network.modules():
            if type(part) is nn.BatchNorm2d:
                part.__class__ = SyncBatchNorm2d
        return network


class AllReduceSum(torch.autograd.Function):
    """The sum over all processes, with gradients: what each process makes of the sum counts for all."""

    @staticmethod
    def forward(context: object, values: Tensor) -> Tensor:
        """Any shape; a new tensor."""
        total = values.clone()
        torch.distributed.all_reduce(total)
        return total

    @staticmethod
    def backward(context: object, gradient: Tensor) -> Tensor:
        """The gradients of all processes, added up."""
        return AllReduceSum.forward(context, gradient)


class SyncBatchNorm2d(nn.BatchNorm2d):
    """nn.BatchNorm2d with the mean and variance of all processes' images."""

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002, torch's name
        """``[B, C, H, W]`` to the same shape."""
        if not self.training:
            return super().forward(input)
        values = input.to(torch.promote_types(input.dtype, torch.float32))
        count = self._summed(values.new_tensor([float(values.numel() // values.shape[1])]))
        mean = self._summed(values.sum(dim=(0, 2, 3))) / count
        centred = values - mean[:, None, None]
        variance = self._summed(centred.square().sum(dim=(0, 2, 3))) / count
        self._remember(mean.detach(), variance.detach() * count / (count - 1))
        scale = self.weight * torch.rsqrt(variance + self.eps)
        return (centred * scale[:, None, None] + self.bias[:, None, None]).to(input.dtype)

    @staticmethod
    def _summed(values: Tensor) -> Tensor:
        total: Tensor = AllReduceSum.apply(values)
        return total

    @torch.no_grad()
    def _remember(self, mean: Tensor, variance: Tensor) -> None:
        momentum = self.momentum or 0.0
        if self.running_mean is not None and self.running_var is not None and self.num_batches_tracked is not None:
            self.num_batches_tracked += 1
            self.running_mean.lerp_(mean, momentum)
            self.running_var.lerp_(variance, momentum)
