"""Bodies of cats and dogs, sitting or standing, with pattern and collar."""

import math

from deployments.demo.look import Look
from deployments.demo.pen import INK, Pen, Point, mix


def sitting_body(pen: Pen, look: Look, width: float) -> None:
    """Draw a body from the front.

    Args:
        pen: Draws it.
        look: Its colours and pattern.
        width: Half its width.
    """
    pen.oval((50 - 0.75 * width, 92), (width * 0.5, 7), look.fur)
    pen.oval((50 + 0.75 * width, 92), (width * 0.5, 7), look.fur)
    pen.oval((50, 73), (width, 25), look.fur)
    _pattern(pen, look, (50, 73), (width, 25))
    pen.oval((50, 74), (width * 0.5, 17), look.light, None)
    for side in (-1, 1):
        pen.limb([(50 + side * width * 0.38, 70), (50 + side * width * 0.36, 93)], look.fur, width * 0.34)
        pen.oval((50 + side * width * 0.4, 95), (width * 0.32, 5), look.light)
    _collar(pen, look, (50, 54), width * 0.62)


def standing_body(pen: Pen, look: Look, depth: float, leg: float) -> None:
    """Draw a body from the side.

    Args:
        pen: Draws it.
        look: Its colours and pattern.
        depth: Half its height, without the legs.
        leg: Width of a leg.
    """
    dark = mix(look.fur, INK, 0.25)
    for x in (40, 72):
        pen.limb([(x, 66), (x - 1, 94)], dark, leg)
    pen.oval((57, 62), (31, depth), look.fur)
    _pattern(pen, look, (57, 62), (31, depth))
    for x in (34, 80):
        pen.limb([(x, 66), (x, 95)], look.fur, leg)
        pen.oval((x - 2, 96), (leg * 0.75, 4), look.light)
    _collar(pen, look, (34, 55), 11)


def _pattern(pen: Pen, look: Look, centre: Point, radii: Point) -> None:
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


def _collar(pen: Pen, look: Look, centre: Point, width: float) -> None:
    if look.collar:
        x, y = centre
        pen.limb([(x - width, y - 2), (x, y + 4), (x + width, y - 2)], look.collar, 4)
        pen.oval((x, y + 5), (2.6, 2.6), (250, 215, 90))
