"""Heads of cats and dogs. With the tails they tell the two apart."""

from deployments.demo.look import Look
from deployments.demo.pen import INK, Colour, Pen, Point, mix, shifted

_PINK: Colour = (240, 150, 155)


def cat_head(pen: Pen, look: Look, centre: Point) -> None:
    """Draw a round wide head with pointed ears, slit eyes, a tiny nose and whiskers.

    Args:
        pen: Draws it.
        look: Its colours and mood.
        centre: Where it is.
    """
    pen.mark_head(centre)
    x, y = centre
    for side in (-1, 1):
        ear = [(side * 21, -6), (side * 20, -33), (side * 4, -19)]
        pen.blob(shifted(ear, centre), look.fur)
        pen.blob(shifted([(side * 18, -12), (side * 17.5, -26), (side * 9, -18)], centre), _PINK, None)
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
    pen.blob(shifted([(-3, 4.5), (3, 4.5), (0, 8)], (face, y)), _PINK)


def dog_head(pen: Pen, look: Look, centre: Point) -> None:
    """Draw a tall head with hanging ears, round eyes, and a big snout with a black nose, maybe a tongue.

    Args:
        pen: Draws it.
        look: Its colours and mood.
        centre: Where it is.
    """
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


def _eye(pen: Pen, look: Look, centre: Point, *, slit: bool) -> None:
    x, y = centre
    if look.squint and slit:
        pen.stroke([(x - 4, y + 1), (x, y - 4), (x + 4, y + 1)], INK, 1.8)
        return
    pen.oval(centre, (4.8, 4.8) if slit else (4, 4.4), look.eyes if slit else (252, 252, 250))
    pen.oval((x + look.turn, y), (1.4, 3.9) if slit else (2.3, 2.6), (20, 16, 18), None)
    pen.oval((x + look.turn - 1, y - 1.5), (0.9, 0.9), (255, 255, 255), None)
