"""Pixels of an image as the trainer reads them."""

import numpy as np
from PIL import Image


def in_8_bits(image: Image.Image) -> Image.Image:
    """A 16-bit image by its high bytes, as the trainer's decoder reads it; other images unchanged.

    Pillow's own conversion would clip a 16-bit image, so that it came out almost white.
    """
    if image.mode.startswith("I;16"):
        return Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    return image
