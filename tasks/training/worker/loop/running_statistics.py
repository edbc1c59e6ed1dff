"""Running statistics of batch norms: what they were before a step, and how much of it they take."""

from torch import Tensor, nn

from tasks.training.worker.loop.schedule import ema_decay_at

WILD_STEPS = 16
"""Steps that change random weights so much that statistics of the ones before would let activations explode."""


class RunningStatistics:
    """The running means and variances of a network, by which it computes outside training.

    They begin as mean 0 and variance 1, and with YOLO-NAS's momentum of 0.03 forget that in a hundred steps only: until
    then a network that learns well detects nothing. So from random weights they are warmed up: between the wildest
    steps and the 290th they are averages over as many steps as the averaged weights.

    Args:
        network: Its norms all have the same momentum.
        values: All of their running means and variances, in one tensor.
    """

    def __init__(self, network: nn.Module, values: Tensor) -> None:
        norms = [part for part in network.modules() if isinstance(part, nn.modules.batchnorm._BatchNorm)]
        self._decay = 1 - float(norms[0].momentum or 0.0)
        self._now, self._before = values, values.clone()

    def remember(self) -> None:
        """Note what they are; before a step."""
        self._before.copy_(self._now)

    def put_back(self) -> None:
        """Make them what was noted."""
        self._now.copy_(self._before)

    def warming_up(self, steps: int) -> bool:
        """Whether a step after so many is one of those that are to weigh more than the norms' momentum."""
        return steps >= WILD_STEPS and ema_decay_at(self._decay, steps) < self._decay

    def warm_up(self, steps: int, passes: int) -> None:
        """Make them what they would be, had the images since ``remember`` weighed what so early a step's should.

        Args:
            steps: Steps done before this one.
            passes: Forward passes of this one.
        """
        wanted = 1 - ema_decay_at(self._decay, steps)
        # Further in the direction in which they went.
        self._now.copy_(self._before.lerp_(self._now, wanted / (1 - self._decay**passes)))
