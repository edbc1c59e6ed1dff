"""Running statistics of batch norms: what they were before a step, and how much of it they take."""

import torch
from torch import nn

from tasks.training.worker.schedule import average_decay

WILD_STEPS = 16
"""Steps that change random weights so much that statistics of the ones before would let activations explode."""


class RunningStatistics:
    """The running means and variances of a network, by which it computes outside training.

    They begin as mean 0 and variance 1, and with YOLO-NAS's momentum of 0.03 forget that in a hundred steps only: until
    then a network that learns well detects nothing. So from random weights they are warmed up: between the wildest
    steps and the 290th they are averages over as many steps as the averaged weights.
    """

    def __init__(self, network: nn.Module) -> None:
        norms = [part for part in network.modules() if isinstance(part, nn.modules.batchnorm._BatchNorm)]
        self._decay = 1 - float(norms[0].momentum or 0.0)
        pairs = [(norm.running_mean, norm.running_var) for norm in norms]
        self._now = [tensor for pair in pairs for tensor in pair if tensor is not None]
        self._before = [tensor.clone() for tensor in self._now]

    @torch.no_grad()
    def remember(self) -> None:
        """Note what they are; before a step."""
        torch._foreach_copy_(self._before, self._now)

    @torch.no_grad()
    def put_back(self) -> None:
        """Make them what was noted."""
        torch._foreach_copy_(self._now, self._before)

    @torch.no_grad()
    def take(self, others: "RunningStatistics") -> None:
        """Make them those of another network of the same kind."""
        torch._foreach_copy_(self._now, others._now)

    def warming_up(self, steps: int) -> bool:
        """Whether a step after so many is one of those that are to weigh more than the norms' momentum."""
        return steps >= WILD_STEPS and average_decay(self._decay, steps) < self._decay

    @torch.no_grad()
    def warm_up(self, steps: int, passes: int) -> None:
        """Make them what they would be, had the pictures since ``remember`` weighed what so early a step's should.

        Args:
            steps: Steps done before this one.
            passes: Forward passes of this one.
        """
        wanted = 1 - average_decay(self._decay, steps)
        # Further in the direction in which they went.
        torch._foreach_lerp_(self._before, self._now, wanted / (1 - self._decay**passes))
        self.put_back()
