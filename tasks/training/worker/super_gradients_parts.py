"""The only door to super-gradients: the parts of it that nasflow takes, under their own names.

What nasflow relies on beyond their signatures stands where it is used. Another release, or a fork, is tried by changing
this module alone.
"""

from pathlib import Path

from super_gradients.modules.qarepvgg_block import QARepVGGBlock
from super_gradients.training import models
from super_gradients.training.losses import PPYoloELoss
from super_gradients.training.models.detection_models.pp_yolo_e import PPYoloEPostPredictionCallback
from super_gradients.training.samples import DetectionSample
from super_gradients.training.transforms.detection import AbstractDetectionTransform
from super_gradients.training.transforms.transforms import (
    DetectionHorizontalFlip,
    DetectionHSV,
    DetectionMixup,
    DetectionMosaic,
    DetectionRandomAffine,
)
from torch import nn

__all__ = [
    "AbstractDetectionTransform",
    "DetectionHSV",
    "DetectionHorizontalFlip",
    "DetectionMixup",
    "DetectionMosaic",
    "DetectionRandomAffine",
    "DetectionSample",
    "PPYoloELoss",
    "PPYoloEPostPredictionCallback",
    "QARepVGGBlock",
    "yolo_nas",
]


def yolo_nas(variant: str, classes: int, checkpoint: Path | None = None) -> nn.Module:
    """Build a YOLO-NAS network as users of super-gradients do.

    Args:
        variant: s, m or l.
        classes: Number of classes.
        checkpoint: File to load it from; None for random weights.

    Returns:
        The network, in training mode.
    """
    path = None if checkpoint is None else str(checkpoint)
    network: nn.Module = models.get(f"yolo_nas_{variant}", num_classes=classes, checkpoint_path=path)
    return network
