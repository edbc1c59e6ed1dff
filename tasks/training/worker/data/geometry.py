"""How a labelled image fits into the square input of the network."""

from tasks.images import network_input
from tasks.records import LabelledImage


def scale_factor(image: LabelledImage, size: int) -> float:
    """Pixels of the network input per pixel of the image."""
    return network_input.scale_factor(image.width, image.height, size)


def scaled_size(image: LabelledImage, size: int) -> tuple[int, int]:
    """Width and height in pixels of an image scaled to the network input's longest side."""
    return network_input.scaled_size(image.width, image.height, size)
