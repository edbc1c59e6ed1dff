"""How an image fits into the square input of the network, in training and afterwards.

An image of w x h pixels is scaled by ``size / max(w, h)`` and padded on the right and below to size x size.
"""

PREPROCESSING = {"channels": "RGB", "scale": "1/255", "resize": "longest side", "padding": "right and below, 114"}
"""How images go in, as the metadata of model files say it."""
PAD_VALUE = 114
"""Value of all three channels of the padding; ``pad_value`` of
``recipes/dataset_params/coco_detection_yolo_nas_dataset_params.yaml`` of super-gradients 3.7.1."""
HALF_SIZE_FACTOR = 4
"""JPEGs whose longest side is at least this many times the network input are decoded at half their size.

That takes less than half the time, and comes nearer to the image before it was a JPEG: measured on drawings with
noise, 2560 to 4032 pixels to 640, quality 75 to 95. Decoding at a quarter of the size, or with a smaller factor, does
not come nearer.
"""


def scale_factor(width: int, height: int, size: int) -> float:
    """Pixels of the network input per pixel of the image.

    Args:
        width: Of the image, in pixels.
        height: Of the image, in pixels.
        size: Side of the network input in pixels.

    Returns:
        The factor.
    """
    return size / max(width, height)


def scaled_size(width: int, height: int, size: int) -> tuple[int, int]:
    """Width and height in pixels of an image scaled to the network input's longest side.

    Args:
        width: Of the image, in pixels.
        height: Of the image, in pixels.
        size: Side of the network input in pixels.

    Returns:
        Width and height, at least one pixel.
    """
    factor = scale_factor(width, height, size)
    return max(1, round(width * factor)), max(1, round(height * factor))


def half_size_is_enough(width: int, height: int, size: int) -> bool:
    """Whether a JPEG is large enough for half its size, with even sides, so that each pixel is a mean of 2 x 2.

    Args:
        width: Of the image, in pixels.
        height: Of the image, in pixels.
        size: Side of the network input in pixels.

    Returns:
        Whether half the size is enough.
    """
    return max(width, height) >= HALF_SIZE_FACTOR * size and width % 2 == 0 and height % 2 == 0
