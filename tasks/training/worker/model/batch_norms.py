"""The batch norms of a network, whether or not several processes share a batch."""

from torch import nn

BatchNorm = nn.BatchNorm2d | nn.SyncBatchNorm
"""A batch norm of images; the second one takes its statistics over all processes."""


def batch_norms(network: nn.Module) -> list[BatchNorm]:
    """List the batch norms of a network, in the order of ``network.modules()``."""
    return [part for part in network.modules() if isinstance(part, BatchNorm)]
