"""Warm-up of the batch norms' running statistics."""

from torch import Tensor, nn

from tasks.training.worker.loop.schedule import ema_decay_at
from tasks.training.worker.model.batch_norms import batch_norms

WILD_STEPS = 16
"""First steps, which change random weights so much that averages over them would let activations explode.

Chosen; measured in decision 0038."""


class RunningStatistics:
    """The running means and variances of a network, which it uses outside training.

    They begin as mean 0 and variance 1. With YOLO-NAS's momentum of 0.03 that is forgotten after a hundred steps only,
    and until then a network that trains well detects nothing. So from random weights they are warmed up: from step 17
    to step 290 they are averages over as many steps as the EMA.

    Args:
        network: All of its batch norms have the same momentum.
        values: All of their running means and variances, in one tensor.
    """

    def __init__(self, network: nn.Module, values: Tensor) -> None:
        self._decay = 1 - float(batch_norms(network)[0].momentum or 0.0)
        self._values, self._before = values, values.clone()

    def remember(self) -> None:
        """Copy the statistics before a step."""
        self._before.copy_(self._values)

    def restore(self) -> None:
        """Restore the copy."""
        self._values.copy_(self._before)

    def warming_up(self, steps: int) -> bool:
        """Whether the step after so many others belongs to the warm-up."""
        return steps >= WILD_STEPS and ema_decay_at(self._decay, steps) < self._decay

    def warm_up(self, steps: int, passes: int) -> None:
        """Give the images since ``remember`` the weight that so early a step should have.

        Args:
            steps: Steps before this one.
            passes: Forward passes of this step.
        """
        wanted = 1 - ema_decay_at(self._decay, steps)
        # The same direction, further.
        self._values.copy_(self._before.lerp_(self._values, wanted / (1 - self._decay**passes)))
