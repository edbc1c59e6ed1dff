"""Colours, and a pen that draws shapes in the units of an animal."""

import math
import random
from collections.abc import Sequence

from PIL import Image, ImageDraw

UNIT = 100.0
"""Animals are drawn in a square of this side, y down, feet at 100."""

Colour = tuple[int, int, int]
Point = tuple[float, float]

INK: Colour = (45, 36, 38)


def mix(first: Colour, second: Colour, part: float) -> Colour:
    """Mix two colours.

    Args:
        first: Red, green and blue, each in [0, 255].
        second: The other colour.
        part: Share of the second one, in [0, 1].

    Returns:
        The colour between them.
    """
    red, green, blue = (round(a + (b - a) * part) for a, b in zip(first, second, strict=True))
    return red, green, blue


def jitter(rng: random.Random, colour: Colour, by: int) -> Colour:
    """Change a colour a little.

    Args:
        rng: Source of random numbers.
        colour: Red, green and blue, each in [0, 255].
        by: Largest change of each of the three.

    Returns:
        A colour near this one.
    """
    red, green, blue = (min(255, max(0, value + rng.randint(-by, by))) for value in colour)
    return red, green, blue


class Pen:
    """Draws shapes in animal units on a transparent layer of ``pixels`` side; ``head`` is a mask of the face."""

    def __init__(self, pixels: int) -> None:
        self.layer = Image.new("RGBA", (pixels, pixels), (0, 0, 0, 0))
        self.head = Image.new("L", (pixels, pixels), 0)
        self._draw = ImageDraw.Draw(self.layer)
        self._by = pixels / (1.4 * UNIT)  # a margin all round, for tails and turned heads
        self._line = max(2, round(1.7 * self._by))

    def _place(self, point: Point) -> Point:
        margin = 0.2 * UNIT
        return (point[0] + margin) * self._by, (point[1] + margin) * self._by

    def mark_head(self, centre: Point) -> None:
        """Mark in the mask where the face is."""
        ImageDraw.Draw(self.head).polygon([self._place(point) for point in ellipse(centre, (20, 20))], fill=255)

    def blob(self, points: Sequence[Point], fill: Colour, outline: Colour | None = INK) -> None:
        """Draw a filled shape.

        Args:
            points: Its corners.
            fill: Colour inside.
            outline: Colour of the line around it, or None for no line.
        """
        placed = [self._place(point) for point in points]
        self._draw.polygon(placed, fill=fill)
        if outline:
            self._draw.line([*placed, placed[0], placed[1]], fill=outline, width=self._line, joint="curve")

    def oval(self, centre: Point, radii: Point, fill: Colour, outline: Colour | None = INK, angle: float = 0) -> None:
        """Draw an ellipse.

        Args:
            centre: Its centre.
            radii: Half its width and half its height.
            fill: Colour inside.
            outline: Colour of the line around it, or None for no line.
            angle: Degrees by which it is turned clockwise.
        """
        self.blob(ellipse(centre, radii, angle), fill, outline)

    def stroke(self, points: Sequence[Point], fill: Colour, width: float) -> None:
        """Draw a line with round ends.

        Args:
            points: Its ends, or its ends and between them a point that it bends towards.
            fill: Its colour.
            width: Its width.
        """
        placed = [self._place(point) for point in _smooth(points)]
        pixels = max(1, round(width * self._by))
        self._draw.line(placed, fill=fill, width=pixels, joint="curve")
        for x, y in (placed[0], placed[-1]):
            half = pixels / 2
            self._draw.ellipse((x - half, y - half, x + half, y + half), fill=fill)

    def limb(self, points: Sequence[Point], fill: Colour, width: float) -> None:
        """Draw a line with round ends and an outline.

        Args:
            points: Its ends, or its ends and between them a point that it bends towards.
            fill: Its colour.
            width: Its width without the outline.
        """
        self.stroke(points, INK, width + 3)
        self.stroke(points, fill, width)


def ellipse(centre: Point, radii: Point, angle: float = 0) -> list[Point]:
    """Make the outline of an ellipse.

    Args:
        centre: Its centre.
        radii: Half its width and half its height.
        angle: Degrees by which it is turned clockwise.

    Returns:
        48 points.
    """
    cos, sin = math.cos(math.radians(angle)), math.sin(math.radians(angle))
    around = [(radii[0] * math.cos(t), radii[1] * math.sin(t)) for t in (2 * math.pi * i / 48 for i in range(48))]
    return [(centre[0] + x * cos - y * sin, centre[1] + x * sin + y * cos) for x, y in around]


def _smooth(points: Sequence[Point]) -> list[Point]:
    """Points of the quadratic curve of three points; any other number of points stays as it is."""
    if len(points) != 3:
        return list(points)
    (ax, ay), (bx, by), (cx, cy) = points
    steps = [i / 16 for i in range(17)]
    return [
        ((1 - t) ** 2 * ax + 2 * t * (1 - t) * bx + t * t * cx, (1 - t) ** 2 * ay + 2 * t * (1 - t) * by + t * t * cy)
        for t in steps
    ]


def shifted(points: Sequence[Point], by: Point) -> list[Point]:
    """The points, each moved by the same step."""
    return [(x + by[0], y + by[1]) for x, y in points]
