"""How many boxes the network can give for one image."""

MAX_DETECTIONS = 300
"""Detections of an image that are kept, the best first; ``max_predictions`` of
``recipes/training_hyperparams/coco2017_yolo_nas_train_params.yaml`` of super-gradients 3.7.1."""
STRIDES = (8, 16, 32)
"""Pixels of the network input from one cell to the next, in each of the three grids. A cell gives one box.

``fpn_strides`` of the heads of YOLO-NAS in super-gradients 3.7.1."""


def max_detections(size: int) -> int:
    """The most boxes that the network gives for one image.

    Args:
        size: Side of the network input in pixels.

    Returns:
        MAX_DETECTIONS, or the number of cells if that is less, as it is under 128 pixels.
    """
    return min(MAX_DETECTIONS, sum((size // stride) ** 2 for stride in STRIDES))
