"""Backgrounds of cartoons, and clutter: things that are no animals."""

import random

from PIL import Image, ImageDraw

from deployments.demo.look import COLLARS, FURS
from deployments.demo.pen import INK, Colour, jitter, mix


def _pastel(rng: random.Random) -> Colour:
    return rng.randint(120, 250), rng.randint(130, 250), rng.randint(130, 250)


def _gradient(side: int, top: Colour, bottom: Colour) -> Image.Image:
    ramp = Image.linear_gradient("L").resize((side, side))
    return Image.composite(Image.new("RGB", (side, side), bottom), Image.new("RGB", (side, side), top), ramp)


def meadow(rng: random.Random, side: int) -> Image.Image:
    """Draw grass, a hill and sky, on an image of ``side`` pixels."""
    image = _gradient(side, jitter(rng, (120, 190, 240), 30), (235, 245, 250))
    draw = ImageDraw.Draw(image)
    horizon = rng.uniform(0.35, 0.65) * side
    grass = jitter(rng, (110, 175, 80), 25)
    hill = rng.uniform(0.1, 0.9) * side
    far = mix(grass, (235, 245, 250), 0.3)
    draw.ellipse((hill - side * 0.7, horizon - side * 0.12, hill + side * 0.7, horizon + side * 0.5), fill=far)
    draw.rectangle((0, horizon, side, side), fill=grass)
    for _ in range(90):
        x, y = rng.uniform(0, side), rng.uniform(horizon, side)
        blade = side * 0.012 * (1 + 2 * (y - horizon) / side)
        draw.line((x, y, x + rng.uniform(-1, 1) * blade, y - 2 * blade), fill=jitter(rng, grass, 30), width=3)
    if rng.random() < 0.6:
        x, y, r = rng.uniform(0.1, 0.9) * side, 0.12 * side, 0.07 * side
        draw.ellipse((x - r, y - r, x + r, y + r), fill=(255, 225, 110))
    return image


def room(rng: random.Random, side: int) -> Image.Image:
    """Draw a wall with a window and a floor, on an image of ``side`` pixels."""
    wall, floor = _pastel(rng), jitter(rng, (175, 130, 90), 35)
    image = _gradient(side, wall, mix(wall, (255, 255, 255), 0.25))
    draw = ImageDraw.Draw(image)
    skirting = rng.uniform(0.55, 0.75) * side
    draw.rectangle((0, skirting, side, side), fill=floor)
    for joint in range(-side, 2 * side, side // 6):
        draw.line((joint + side // 12, skirting, 2 * joint - side // 3, side), fill=mix(floor, INK, 0.2), width=3)
    draw.rectangle((0, skirting - 0.03 * side, side, skirting), fill=(245, 242, 235))
    x, y, w = rng.uniform(0.05, 0.6) * side, rng.uniform(0.05, 0.15) * side, rng.uniform(0.2, 0.35) * side
    draw.rectangle((x, y, x + w, y + w), fill=(190, 225, 245), outline=(250, 248, 240), width=side // 40)
    draw.line((x + w / 2, y, x + w / 2, y + w), fill=(250, 248, 240), width=side // 60)
    return image


def plain(rng: random.Random, side: int) -> Image.Image:
    """Draw a gradient of two colours, on an image of ``side`` pixels."""
    return _gradient(side, _pastel(rng), _pastel(rng)).rotate(rng.choice((0, 90, 180, 270)))


def draw_clutter(rng: random.Random, layer: Image.Image, count: int) -> None:
    """Draw things that are no animals: balls, boxes, bushes, cushions with two points, bones.

    Args:
        rng: Source of random numbers.
        layer: Square image to draw on.
        count: How many things.
    """
    draw = ImageDraw.Draw(layer)
    side = layer.width
    line = max(2, side // 130)
    for _ in range(count):
        x, y, r = rng.uniform(0, side), rng.uniform(0.3, 1) * side, rng.uniform(0.04, 0.12) * side
        fill = jitter(rng, rng.choice((*COLLARS, *(fur for fur, _ in FURS))), 20)
        kind = rng.choice(("ball", "box", "bush", "cushion", "bone"))
        if kind == "ball":
            draw.ellipse((x - r, y - r, x + r, y + r), fill=fill, outline=INK, width=line)
            draw.arc((x - r * 1.6, y - r, x + r * 0.3, y + r), -55, 55, fill=INK, width=line)
        elif kind == "box":
            draw.rectangle((x - r, y - r, x + r, y + r * 0.8), fill=fill, outline=INK, width=line)
            draw.line((x - r, y - r * 0.3, x + r, y - r * 0.3), fill=INK, width=line)
        elif kind == "bush":
            for dx, dy in ((-0.7, 0.2), (0.7, 0.2), (0, -0.4), (0, 0.3)):
                box = (x + (dx - 0.7) * r, y + (dy - 0.7) * r, x + (dx + 0.7) * r, y + (dy + 0.7) * r)
                draw.ellipse(box, fill=jitter(rng, (80, 140, 75), 12))
        elif kind == "cushion":
            points = [
                (x - r, y - r),
                (x, y - r * 0.7),
                (x + r, y - r),
                (x + r * 0.8, y),
                (x + r, y + r),
                (x - r, y + r),
            ]
            draw.polygon(points, fill=fill, outline=INK, width=line)
        else:
            for dx, dy in ((-1, -0.3), (-1, 0.3), (1, -0.3), (1, 0.3)):
                box = (x + (dx - 0.35) * r, y + (dy - 0.35) * r, x + (dx + 0.35) * r, y + (dy + 0.35) * r)
                draw.ellipse(box, fill=(245, 240, 225))
            draw.rectangle((x - r, y - 0.25 * r, x + r, y + 0.25 * r), fill=(245, 240, 225))
