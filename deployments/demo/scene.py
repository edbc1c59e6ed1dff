"""One image of cartoon animals before a background, and its labels."""

import random
from dataclasses import dataclass

from PIL import Image, ImageChops

from deployments.demo.animals import CLASSES, Animal, draw_animal
from deployments.demo.backgrounds import draw_clutter, meadow, plain, room

_SCALE = 3
"""Everything is drawn this many times larger and then reduced, which smooths the edges."""
_MIN_VISIBLE = 0.45
"""Share of an animal that has to be visible. Otherwise it is not drawn, so that no label asks for the impossible."""
_MIN_VISIBLE_FACE = 0.7
"""Share of its face that has to be."""
_MIN_INSIDE, _MIN_FACE_INSIDE = 0.6, 0.9
"""Shares of an animal and of its face that have to be inside the image."""


@dataclass(frozen=True)
class Label:
    """One labelled animal."""

    kind: str
    box: tuple[int, int, int, int]
    """x1, y1, x2, y2 in pixels."""


def draw_scene(rng: random.Random, size: int) -> tuple[Image.Image, list[Label]]:
    """An image of ``size`` pixels side, and a label for each animal, around what is visible of it."""
    side = size * _SCALE
    image = rng.choice((meadow, room, plain))(rng, side)
    draw_clutter(rng, image, rng.randint(0, 4))
    animals = _animals(rng, side)
    for animal in animals:
        image.paste(animal.layer, (0, 0), animal.layer)
    return image.resize((size, size), Image.Resampling.LANCZOS), _labels(animals, size)


def _animals(rng: random.Random, side: int) -> list[Animal]:
    """Up to three animals, the nearer ones lower in the image and over the others."""
    count = rng.choices((0, 1, 2, 3), weights=(8, 42, 35, 15))[0]
    candidates = []
    for _ in range(count):
        pixels = round(side * rng.uniform(0.38, 0.8 if count == 1 else 0.62) * 1.4)
        reach = side - 3 * pixels // 4
        corner = (rng.randint(-pixels // 4, reach), rng.randint(-pixels // 8, reach))
        candidates.append((corner[1] + pixels, corner, draw_animal(rng, rng.choice(CLASSES), pixels)))
    animals: list[Animal] = []
    for _, corner, animal in sorted(candidates, key=lambda item: item[0]):
        new = animal.placed(side, corner)
        inside = _area(new.mask) >= _MIN_INSIDE * _area(animal.mask)
        face_inside = _area(new.head) >= _MIN_FACE_INSIDE * _area(animal.head)
        if inside and face_inside and _all_recognisable([*animals, new]):
            animals.append(new)
    return animals


def _all_recognisable(animals: list[Animal]) -> bool:
    """Whether enough of each animal and of its face is visible when the later ones are painted over it."""
    for index, animal in enumerate(animals):
        body, head = animal.mask, animal.head
        for nearer in animals[index + 1 :]:
            body, head = ImageChops.subtract(body, nearer.mask), ImageChops.subtract(head, nearer.mask)
        if _area(body) < _MIN_VISIBLE * _area(animal.mask) or _area(head) < _MIN_VISIBLE_FACE * _area(animal.head):
            return False
    return True


def _area(mask: Image.Image) -> int:
    """Number of pixels of a mask that are at least half covered."""
    return sum(mask.histogram()[128:])


def _labels(animals: list[Animal], size: int) -> list[Label]:
    labels = []
    for index, animal in enumerate(animals):
        mask = animal.mask
        for nearer in animals[index + 1 :]:
            mask = ImageChops.subtract(mask, nearer.mask)
        # A pixel belongs to the animal if a quarter of it does; whiskers are thinner, and count.
        small = mask.resize((size, size), Image.Resampling.BOX).point([255 * (value >= 64) for value in range(256)])
        if box := small.getbbox():
            labels.append(Label(animal.kind, box))
    return labels
