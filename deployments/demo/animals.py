"""One cartoon cat or dog on a transparent layer, with a pose, fur and mood of its own.

Ears, snout and tail tell a cat from a dog; colour, pattern, size and pose do not.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass

from PIL import Image

from deployments.demo.bodies import sitting_body, standing_body
from deployments.demo.heads import cat_head, dog_head
from deployments.demo.look import Look, random_look
from deployments.demo.pen import Pen

CLASSES = ("cat", "dog")


@dataclass(frozen=True)
class Animal:
    """One drawn animal, on layers of its own size or of the image's."""

    kind: str
    layer: Image.Image
    head: Image.Image
    """Mask of the face."""

    @property
    def mask(self) -> Image.Image:
        """Where the animal is."""
        return self.layer.getchannel("A")

    def placed(self, side: int, corner: tuple[int, int]) -> "Animal":
        """The same animal on layers of an image of ``side`` pixels, cut off at its edges."""
        layer, head = Image.new("RGBA", (side, side), (0, 0, 0, 0)), Image.new("L", (side, side), 0)
        layer.paste(self.layer, corner)
        head.paste(self.head, corner)
        return Animal(self.kind, layer, head)


def draw_animal(rng: random.Random, kind: str, pixels: int) -> Animal:
    """Draw one animal, mirrored and tilted at random.

    Args:
        rng: Source of random numbers.
        kind: One of CLASSES.
        pixels: Side of its square layers.

    Returns:
        The animal.
    """
    pen = Pen(pixels)
    _DRAW[kind](pen, random_look(rng))
    mirrored, angle = rng.random() < 0.5, rng.uniform(-9, 9)

    def posed(image: Image.Image) -> Image.Image:
        image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if mirrored else image
        return image.rotate(angle, Image.Resampling.BILINEAR)  # reduced later, which hides the difference

    return Animal(kind, posed(pen.layer), posed(pen.head))


def _draw_cat(pen: Pen, look: Look) -> None:
    if look.sitting:
        head = (50 + 6 * look.turn, 34.0)
        pen.limb([(66, 92), (104, 94 - 20 * look.tail), (92, 52 + 20 * look.tail)], look.fur, 7)
        sitting_body(pen, look, width=22)
    else:
        head = (24.0, 40.0)
        pen.limb([(84, 62), (112, 44 - 10 * look.tail), (98, 12 + 20 * look.tail)], look.fur, 7)
        standing_body(pen, look, depth=14, leg=7)
    cat_head(pen, look, head)


def _draw_dog(pen: Pen, look: Look) -> None:
    if look.sitting:
        head = (50 + 6 * look.turn, 34.0)
        pen.limb([(68, 90), (82, 88), (92, 76 - 8 * look.tail)], look.fur, 9)
        sitting_body(pen, look, width=25)
    else:
        head = (24.0, 38.0)
        pen.limb([(84, 58), (92, 50), (97, 38 - 6 * look.tail)], look.fur, 9)
        standing_body(pen, look, depth=16, leg=10)
    dog_head(pen, look, head)


_DRAW: dict[str, Callable[[Pen, Look], None]] = {"cat": _draw_cat, "dog": _draw_dog}
