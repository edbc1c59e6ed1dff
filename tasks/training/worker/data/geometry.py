"""How an image fits into the square input of the network.

An image of w x h pixels is scaled by ``size / max(w, h)`` and padded on the right and below to size x size.
"""

from tasks.records import LabelledImage

PAD_VALUE = 114
"""Value of all three channels of the padding."""


def scale_factor(image: LabelledImage, size: int) -> float:
    """Pixels of the network input per pixel of the image."""
    return size / max(image.width, image.height)


def scaled_size(image: LabelledImage, size: int) -> tuple[int, int]:
    """Width and height in pixels of an image scaled to the network input's longest side."""
    factor = scale_factor(image, size)
    return max(1, round(image.width * factor)), max(1, round(image.height * factor))
