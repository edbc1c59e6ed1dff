"""The pixels of an image as the trainer reads them."""

import numpy as np
from PIL import Image


def in_8_bits(image: Image.Image) -> Image.Image:
    """An image of 16 bits by its high ones, as the trainer's decoder takes them; Pillow would make it almost white."""
    if image.mode.startswith("I;16"):
        return Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    return image
