"""One cartoon cat or dog on a transparent layer, in a pose, fur and mood of its own.

Ears, snout and tail tell a cat from a dog; colour, pattern, size and pose do not.
"""

import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from PIL import Image, ImageDraw

CLASSES = ("cat", "dog")
_UNIT = 100.0
"""Animals are drawn in a square of this side, y down, feet at 100."""

Colour = tuple[int, int, int]
Point = tuple[float, float]

FURS: tuple[tuple[Colour, Colour], ...] = (
    ((235, 150, 70), (255, 235, 205)),
    ((120, 120, 128), (215, 215, 220)),
    ((60, 56, 60), (235, 235, 235)),
    ((240, 232, 218), (205, 170, 130)),
    ((150, 98, 60), (232, 205, 170)),
    ((200, 165, 110), (250, 235, 205)),
    ((98, 74, 62), (185, 150, 120)),
    ((170, 140, 125), (240, 225, 215)),
)
INK: Colour = (45, 36, 38)
_PINK: Colour = (240, 150, 155)
_EYES: tuple[Colour, ...] = ((90, 160, 80), (210, 160, 50), (90, 140, 200), (95, 62, 40))
COLLARS: tuple[Colour, ...] = ((200, 50, 60), (40, 110, 190), (240, 190, 40), (90, 170, 90), (150, 80, 170))


def mix(one: Colour, other: Colour, part: float) -> Colour:
    """A colour between two, ``part`` of the way to the other."""
    red, green, blue = (round(a + (b - a) * part) for a, b in zip(one, other, strict=True))
    return red, green, blue


def jitter(random_: random.Random, colour: Colour, by: int) -> Colour:
    """A colour near this one."""
    red, green, blue = (min(255, max(0, value + random_.randint(-by, by))) for value in colour)
    return red, green, blue


# Drawing in animal units --------------------------------------------------------------------------


@dataclass(frozen=True)
class _Look:
    """What one animal looks like, apart from its kind."""

    fur: Colour
    light: Colour
    eyes: Colour
    collar: Colour | None
    pattern: str
    sitting: bool
    turn: float
    tail: float
    squint: bool


class _Pen:
    """Draws shapes in animal units on a transparent layer of ``pixels`` side; ``head`` is a mask of the face."""

    def __init__(self, pixels: int) -> None:
        self.layer = Image.new("RGBA", (pixels, pixels), (0, 0, 0, 0))
        self.head = Image.new("L", (pixels, pixels), 0)
        self._draw = ImageDraw.Draw(self.layer)
        self._by = pixels / (1.4 * _UNIT)  # a margin all round, for tails and turned heads
        self._line = max(2, round(1.7 * self._by))

    def _place(self, point: Point) -> Point:
        margin = 0.2 * _UNIT
        return (point[0] + margin) * self._by, (point[1] + margin) * self._by

    def mark_head(self, centre: Point) -> None:
        """Remember where the face is."""
        ImageDraw.Draw(self.head).polygon([self._place(point) for point in _ellipse(centre, (20, 20))], fill=255)

    def blob(self, points: Sequence[Point], fill: Colour, outline: Colour | None = INK) -> None:
        """A filled shape with an outline."""
        placed = [self._place(point) for point in points]
        self._draw.polygon(placed, fill=fill)
        if outline:
            self._draw.line([*placed, placed[0], placed[1]], fill=outline, width=self._line, joint="curve")

    def oval(self, centre: Point, radii: Point, fill: Colour, outline: Colour | None = INK, angle: float = 0) -> None:
        """An ellipse, turned by ``angle`` degrees clockwise."""
        self.blob(_ellipse(centre, radii, angle), fill, outline)

    def stroke(self, points: Sequence[Point], fill: Colour, width: float) -> None:
        """A line with round ends."""
        placed = [self._place(point) for point in _smooth(points)]
        pixels = max(1, round(width * self._by))
        self._draw.line(placed, fill=fill, width=pixels, joint="curve")
        for x, y in (placed[0], placed[-1]):
            half = pixels / 2
            self._draw.ellipse((x - half, y - half, x + half, y + half), fill=fill)

    def limb(self, points: Sequence[Point], fill: Colour, width: float) -> None:
        """A line with round ends and an outline."""
        self.stroke(points, INK, width + 3)
        self.stroke(points, fill, width)


def _ellipse(centre: Point, radii: Point, angle: float = 0) -> list[Point]:
    cos, sin = math.cos(math.radians(angle)), math.sin(math.radians(angle))
    around = [(radii[0] * math.cos(t), radii[1] * math.sin(t)) for t in (2 * math.pi * i / 48 for i in range(48))]
    return [(centre[0] + x * cos - y * sin, centre[1] + x * sin + y * cos) for x, y in around]


def _smooth(points: Sequence[Point]) -> list[Point]:
    """Points of a quadratic curve through three points' frame; other numbers are left alone."""
    if len(points) != 3:
        return list(points)
    (ax, ay), (bx, by), (cx, cy) = points
    steps = [i / 16 for i in range(17)]
    return [
        ((1 - t) ** 2 * ax + 2 * t * (1 - t) * bx + t * t * cx, (1 - t) ** 2 * ay + 2 * t * (1 - t) * by + t * t * cy)
        for t in steps
    ]


def _shifted(points: Sequence[Point], by: Point) -> list[Point]:
    return [(x + by[0], y + by[1]) for x, y in points]


# Cats and dogs ------------------------------------------------------------------------------------


def _draw_cat(pen: _Pen, look: _Look) -> None:
    if look.sitting:
        head = (50 + 6 * look.turn, 34.0)
        pen.limb([(66, 92), (104, 94 - 20 * look.tail), (92, 52 + 20 * look.tail)], look.fur, 7)
        _sitting_body(pen, look, width=22)
    else:
        head = (24.0, 40.0)
        pen.limb([(84, 62), (112, 44 - 10 * look.tail), (98, 12 + 20 * look.tail)], look.fur, 7)
        _standing_body(pen, look, depth=14, leg=7)
    _cat_head(pen, look, head)


def _draw_dog(pen: _Pen, look: _Look) -> None:
    if look.sitting:
        head = (50 + 6 * look.turn, 34.0)
        pen.limb([(68, 90), (82, 88), (92, 76 - 8 * look.tail)], look.fur, 9)
        _sitting_body(pen, look, width=25)
    else:
        head = (24.0, 38.0)
        pen.limb([(84, 58), (92, 50), (97, 38 - 6 * look.tail)], look.fur, 9)
        _standing_body(pen, look, depth=16, leg=10)
    _dog_head(pen, look, head)


def _sitting_body(pen: _Pen, look: _Look, width: float) -> None:
    pen.oval((50 - 0.75 * width, 92), (width * 0.5, 7), look.fur)
    pen.oval((50 + 0.75 * width, 92), (width * 0.5, 7), look.fur)
    pen.oval((50, 73), (width, 25), look.fur)
    _pattern(pen, look, (50, 73), (width, 25))
    pen.oval((50, 74), (width * 0.5, 17), look.light, None)
    for side in (-1, 1):
        pen.limb([(50 + side * width * 0.38, 70), (50 + side * width * 0.36, 93)], look.fur, width * 0.34)
        pen.oval((50 + side * width * 0.4, 95), (width * 0.32, 5), look.light)
    _collar(pen, look, (50, 54), width * 0.62)


def _standing_body(pen: _Pen, look: _Look, depth: float, leg: float) -> None:
    dark = mix(look.fur, INK, 0.25)
    for x in (40, 72):
        pen.limb([(x, 66), (x - 1, 94)], dark, leg)
    pen.oval((57, 62), (31, depth), look.fur)
    _pattern(pen, look, (57, 62), (31, depth))
    for x in (34, 80):
        pen.limb([(x, 66), (x, 95)], look.fur, leg)
        pen.oval((x - 2, 96), (leg * 0.75, 4), look.light)
    _collar(pen, look, (34, 55), 11)


def _pattern(pen: _Pen, look: _Look, centre: Point, radii: Point) -> None:
    """Stripes, spots or a patch, kept inside the body's ellipse."""
    dark = mix(look.fur, INK, 0.35)
    if look.pattern == "stripes":
        for shift in (-0.6, -0.25, 0.1, 0.45):
            x = centre[0] + shift * radii[0]
            reach = radii[1] * math.sqrt(1 - shift**2)
            pen.stroke([(x, centre[1] - reach + 3), (x + 2, centre[1] - 0.25 * radii[1])], dark, 3.5)
    elif look.pattern == "spots":
        for x, y, r in (
            (-0.5, -0.4, 0.2),
            (0.1, -0.6, 0.16),
            (0.5, -0.1, 0.22),
            (-0.65, 0.2, 0.14),
            (0.35, 0.55, 0.15),
        ):
            spot = (centre[0] + x * radii[0], centre[1] + y * radii[1])
            pen.oval(spot, (r * radii[0] + 1, r * radii[1] + 1), dark, None)
    elif look.pattern == "patch":
        spot = (centre[0] + 0.3 * radii[0], centre[1] - 0.25 * radii[1])
        pen.oval(spot, (0.5 * radii[0], 0.55 * radii[1]), look.light, None, 20)


def _collar(pen: _Pen, look: _Look, centre: Point, width: float) -> None:
    if look.collar:
        x, y = centre
        pen.limb([(x - width, y - 2), (x, y + 4), (x + width, y - 2)], look.collar, 4)
        pen.oval((x, y + 5), (2.6, 2.6), (250, 215, 90))


def _cat_head(pen: _Pen, look: _Look, centre: Point) -> None:
    """A round wide head with pointed ears, slit eyes, a tiny nose and whiskers."""
    pen.mark_head(centre)
    x, y = centre
    for side in (-1, 1):
        ear = [(side * 21, -6), (side * 20, -33), (side * 4, -19)]
        pen.blob(_shifted(ear, centre), look.fur)
        pen.blob(_shifted([(side * 18, -12), (side * 17.5, -26), (side * 9, -18)], centre), _PINK, None)
    pen.oval(centre, (24, 20), look.fur)
    if look.pattern == "stripes":
        for shift in (-6, 0, 6):
            pen.stroke([(x + shift, y - 18), (x + 0.7 * shift, y - 11)], mix(look.fur, INK, 0.35), 2.6)
    face = x + 5 * look.turn
    pen.oval((face, y + 9), (11, 7.5), look.light, None)
    for side in (-1, 1):
        _eye(pen, look, (face + side * 9.5, y - 1), slit=True)
        for slope in (-3, 1, 5):
            pen.stroke([(face + side * 10, y + 8), (face + side * 30, y + 6 + slope)], INK, 0.9)
        pen.stroke([(face, y + 8), (face + side * 2, y + 13), (face + side * 6, y + 11)], INK, 1.3)
    pen.blob(_shifted([(-3, 4.5), (3, 4.5), (0, 8)], (face, y)), _PINK)


def _dog_head(pen: _Pen, look: _Look, centre: Point) -> None:
    """A tall head with hanging ears, round eyes, and a big snout with a black nose, maybe a tongue."""
    pen.mark_head(centre)
    x, y = centre
    dark = mix(look.fur, INK, 0.3)
    pen.oval(centre, (19, 22), look.fur)
    if look.pattern == "patch":
        pen.oval((x - 8, y - 5), (8, 9), look.light, None)
    face = x + 6 * look.turn
    for side in (-1, 1):
        pen.oval((x + side * 20, y + 2), (6.5, 19), dark, angle=-side * 12)
        _eye(pen, look, (face + side * 7.5, y - 7), slit=False)
    if look.squint:
        pen.oval((face + 2, y + 22), (4.5, 8), (235, 110, 120))
    pen.oval((face, y + 10), (13, 11), look.light)
    pen.oval((face, y + 4), (6, 4.2), INK)
    pen.oval((face - 2, y + 2.8), (1.6, 1), (190, 185, 190), None)
    pen.stroke([(face, y + 8), (face, y + 13)], INK, 1.4)
    for side in (-1, 1):
        pen.stroke([(face, y + 13), (face + side * 3, y + 17), (face + side * 8, y + 13)], INK, 1.4)


def _eye(pen: _Pen, look: _Look, centre: Point, *, slit: bool) -> None:
    x, y = centre
    if look.squint and slit:
        pen.stroke([(x - 4, y + 1), (x, y - 4), (x + 4, y + 1)], INK, 1.8)
        return
    pen.oval(centre, (4.8, 4.8) if slit else (4, 4.4), look.eyes if slit else (252, 252, 250))
    pen.oval((x + look.turn, y), (1.4, 3.9) if slit else (2.3, 2.6), (20, 16, 18), None)
    pen.oval((x + look.turn - 1, y - 1.5), (0.9, 0.9), (255, 255, 255), None)


_DRAW: dict[str, Callable[[_Pen, _Look], None]] = {"cat": _draw_cat, "dog": _draw_dog}


def _look(random_: random.Random) -> _Look:
    fur, light = random_.choice(FURS)
    return _Look(
        fur=jitter(random_, fur, 14),
        light=jitter(random_, light, 8),
        eyes=random_.choice(_EYES),
        collar=random_.choice(COLLARS) if random_.random() < 0.4 else None,
        pattern=random_.choice(("plain", "stripes", "spots", "patch")),
        sitting=random_.random() < 0.5,
        turn=random_.uniform(-1, 1),
        tail=random_.uniform(0, 1),
        squint=random_.random() < 0.3,
    )


@dataclass(frozen=True)
class Animal:
    """One drawn animal: its layer and the mask of its face, square or already the size of the image."""

    kind: str
    layer: Image.Image
    head: Image.Image

    @property
    def mask(self) -> Image.Image:
        """Where the animal is."""
        return self.layer.getchannel("A")

    def placed(self, side: int, corner: tuple[int, int]) -> "Animal":
        """The same on layers of the image's side, cut at its edges."""
        layer, head = Image.new("RGBA", (side, side), (0, 0, 0, 0)), Image.new("L", (side, side), 0)
        layer.paste(self.layer, corner)
        head.paste(self.head, corner)
        return Animal(self.kind, layer, head)


def draw_animal(random_: random.Random, kind: str, pixels: int) -> Animal:
    """One animal on a transparent square of ``pixels`` side, mirrored and tilted at will."""
    pen = _Pen(pixels)
    _DRAW[kind](pen, _look(random_))
    mirrored, angle = random_.random() < 0.5, random_.uniform(-9, 9)

    def posed(image: Image.Image) -> Image.Image:
        image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if mirrored else image
        return image.rotate(angle, Image.Resampling.BILINEAR)  # reduced later, which hides the difference

    return Animal(kind, posed(pen.layer), posed(pen.head))
