"""The YOLO-NAS network of super-gradients, as it is built; its weights files are in weights.py."""

from super_gradients.training import models
from torch import nn


def build_network(variant: str, classes: int) -> nn.Module:
    """A YOLO-NAS network with random weights and ``classes`` outputs."""
    network: nn.Module = models.get(f"yolo_nas_{variant}", num_classes=classes)
    return network
