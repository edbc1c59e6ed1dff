"""The YOLO-NAS network of super-gradients, as it is built; its weights files are in weights.py."""

from super_gradients.modules.qarepvgg_block import QARepVGGBlock
from super_gradients.training import models
from torch import nn


def build_network(variant: str, classes: int) -> nn.Module:
    """A YOLO-NAS network with random weights and ``classes`` outputs.

    The convolutions that are to hold a RepVGG block's branches once it is fused are a third of the parameters. Training
    never uses them, so they need no gradient, no optimiser and no average.
    """
    network: nn.Module = models.get(f"yolo_nas_{variant}", num_classes=classes)
    for part in network.modules():
        if isinstance(part, QARepVGGBlock):
            part.rbr_reparam.requires_grad_(False)
    return network
