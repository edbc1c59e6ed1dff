"""The YOLO-NAS network of super-gradients with random weights. Weights files are in ``weights.py``."""

from torch import nn

from tasks.training.worker.super_gradients_parts import QARepVGGBlock, yolo_nas


def build_network(variant: str, classes: int) -> nn.Module:
    """Build a YOLO-NAS network with random weights.

    The convolutions that hold a fused RepVGG block are a third of the parameters. Training never uses them. They are
    frozen, so that they get no gradient, no optimizer state and no EMA, and they are 0 unless given weights are loaded.

    Args:
        variant: s, m or l.
        classes: Number of classes.

    Returns:
        A network that takes images ``[B, 3, S, S]``, fp32 in [0, 1].
    """
    network = yolo_nas(variant, classes)
    for block in network.modules():
        if isinstance(block, QARepVGGBlock):
            block.rbr_reparam.requires_grad_(False)
            nn.init.zeros_(block.rbr_reparam.weight)
            nn.init.zeros_(block.rbr_reparam.bias)
    return network
