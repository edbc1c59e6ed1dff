"""Draws labelled exports of cartoon cats and dogs, laid out as Roboflow's COCO exports are.

For demonstrations and tests that need images nobody owns and a task that a small network can learn. Ears, snout and
tail tell a cat from a dog; colour, size, pose and background do not.
"""

import hashlib
import io
import json
import random
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageChops, ImageDraw

from deployments.demo.cartoon_animals import CLASSES, COLLARS, FURS, INK, Animal, Colour, draw_animal, jitter, mix

_SCALE = 3
"""Everything is drawn this many times larger and then reduced, which smooths the edges."""
_MIN_VISIBLE = 0.45
_MIN_OF_HEAD = 0.7
"""An animal of which less can be seen is not drawn at all, so that no label asks for the impossible."""

# Backgrounds and clutter --------------------------------------------------------------------------


def _pastel(random_: random.Random) -> Colour:
    return random_.randint(120, 250), random_.randint(130, 250), random_.randint(130, 250)


def _gradient(side: int, top: Colour, bottom: Colour) -> Image.Image:
    ramp = Image.linear_gradient("L").resize((side, side))
    return Image.composite(Image.new("RGB", (side, side), bottom), Image.new("RGB", (side, side), top), ramp)


def _meadow(random_: random.Random, side: int) -> Image.Image:
    image = _gradient(side, jitter(random_, (120, 190, 240), 30), (235, 245, 250))
    draw = ImageDraw.Draw(image)
    horizon = random_.uniform(0.35, 0.65) * side
    grass = jitter(random_, (110, 175, 80), 25)
    hill = random_.uniform(0.1, 0.9) * side
    far = mix(grass, (235, 245, 250), 0.3)
    draw.ellipse((hill - side * 0.7, horizon - side * 0.12, hill + side * 0.7, horizon + side * 0.5), fill=far)
    draw.rectangle((0, horizon, side, side), fill=grass)
    for _ in range(90):
        x, y = random_.uniform(0, side), random_.uniform(horizon, side)
        blade = side * 0.012 * (1 + 2 * (y - horizon) / side)
        draw.line((x, y, x + random_.uniform(-1, 1) * blade, y - 2 * blade), fill=jitter(random_, grass, 30), width=3)
    if random_.random() < 0.6:
        x, y, r = random_.uniform(0.1, 0.9) * side, 0.12 * side, 0.07 * side
        draw.ellipse((x - r, y - r, x + r, y + r), fill=(255, 225, 110))
    return image


def _room(random_: random.Random, side: int) -> Image.Image:
    wall, floor = _pastel(random_), jitter(random_, (175, 130, 90), 35)
    image = _gradient(side, wall, mix(wall, (255, 255, 255), 0.25))
    draw = ImageDraw.Draw(image)
    skirting = random_.uniform(0.55, 0.75) * side
    draw.rectangle((0, skirting, side, side), fill=floor)
    for joint in range(-side, 2 * side, side // 6):
        draw.line((joint + side // 12, skirting, 2 * joint - side // 3, side), fill=mix(floor, INK, 0.2), width=3)
    draw.rectangle((0, skirting - 0.03 * side, side, skirting), fill=(245, 242, 235))
    x, y, w = random_.uniform(0.05, 0.6) * side, random_.uniform(0.05, 0.15) * side, random_.uniform(0.2, 0.35) * side
    draw.rectangle((x, y, x + w, y + w), fill=(190, 225, 245), outline=(250, 248, 240), width=side // 40)
    draw.line((x + w / 2, y, x + w / 2, y + w), fill=(250, 248, 240), width=side // 60)
    return image


def _plain(random_: random.Random, side: int) -> Image.Image:
    return _gradient(side, _pastel(random_), _pastel(random_)).rotate(random_.choice((0, 90, 180, 270)))


def _clutter(random_: random.Random, layer: Image.Image, count: int) -> None:
    """Things that are no animals: balls, boxes, bushes, cushions with two points, bones."""
    draw = ImageDraw.Draw(layer)
    side = layer.width
    line = max(2, side // 130)
    for _ in range(count):
        x, y, r = random_.uniform(0, side), random_.uniform(0.3, 1) * side, random_.uniform(0.04, 0.12) * side
        fill = jitter(random_, random_.choice((*COLLARS, *(fur for fur, _ in FURS))), 20)
        kind = random_.choice(("ball", "box", "bush", "cushion", "bone"))
        if kind == "ball":
            draw.ellipse((x - r, y - r, x + r, y + r), fill=fill, outline=INK, width=line)
            draw.arc((x - r * 1.6, y - r, x + r * 0.3, y + r), -55, 55, fill=INK, width=line)
        elif kind == "box":
            draw.rectangle((x - r, y - r, x + r, y + r * 0.8), fill=fill, outline=INK, width=line)
            draw.line((x - r, y - r * 0.3, x + r, y - r * 0.3), fill=INK, width=line)
        elif kind == "bush":
            for dx, dy in ((-0.7, 0.2), (0.7, 0.2), (0, -0.4), (0, 0.3)):
                box = (x + (dx - 0.7) * r, y + (dy - 0.7) * r, x + (dx + 0.7) * r, y + (dy + 0.7) * r)
                draw.ellipse(box, fill=jitter(random_, (80, 140, 75), 12))
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


# One image --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Labelled:
    kind: str
    box: tuple[int, int, int, int]


def _draw_image(random_: random.Random, size: int) -> tuple[Image.Image, list[_Labelled]]:
    """An image of ``size`` pixels side and its boxes, xyxy in pixels around what can be seen of each animal."""
    side = size * _SCALE
    image = random_.choice((_meadow, _room, _plain))(random_, side)
    _clutter(random_, image, random_.randint(0, 4))
    animals = _animals(random_, side)
    for animal in animals:
        image.paste(animal.layer, (0, 0), animal.layer)
    return image.resize((size, size), Image.Resampling.LANCZOS), _boxes(animals, size)


def _animals(random_: random.Random, side: int) -> list[Animal]:
    """Up to three animals, the nearer ones lower in the image and over the others."""
    count = random_.choices((0, 1, 2, 3), weights=(8, 42, 35, 15))[0]
    tries = []
    for _ in range(count):
        pixels = round(side * random_.uniform(0.38, 0.8 if count == 1 else 0.62) * 1.4)
        reach = side - 3 * pixels // 4
        corner = (random_.randint(-pixels // 4, reach), random_.randint(-pixels // 8, reach))
        tries.append((corner[1] + pixels, corner, draw_animal(random_, random_.choice(CLASSES), pixels)))
    animals: list[Animal] = []
    for _, corner, animal in sorted(tries, key=lambda item: item[0]):
        new = animal.placed(side, corner)
        cut_too_much = _area(new.mask) < 0.6 * _area(animal.mask) or _area(new.head) < 0.9 * _area(animal.head)
        if not cut_too_much and _all_recognisable([*animals, new]):
            animals.append(new)
    return animals


def _all_recognisable(animals: list[Animal]) -> bool:
    """Whether enough of each animal and of its face is left when the later ones are painted over it."""
    for at, animal in enumerate(animals):
        body, head = animal.mask, animal.head
        for over in animals[at + 1 :]:
            body, head = ImageChops.subtract(body, over.mask), ImageChops.subtract(head, over.mask)
        if _area(body) < _MIN_VISIBLE * _area(animal.mask) or _area(head) < _MIN_OF_HEAD * _area(animal.head):
            return False
    return True


def _area(mask: Image.Image) -> int:
    """Pixels of a mask that are more there than not."""
    return sum(mask.histogram()[128:])


def _boxes(animals: list[Animal], size: int) -> list[_Labelled]:
    boxes = []
    for at, animal in enumerate(animals):
        mask = animal.mask
        for over in animals[at + 1 :]:
            mask = ImageChops.subtract(mask, over.mask)
        # A pixel belongs to the animal if a quarter of it does; whiskers are thinner, and count.
        small = mask.resize((size, size), Image.Resampling.BOX).point([255 * (value >= 64) for value in range(256)])
        if box := small.getbbox():
            boxes.append(_Labelled(animal.kind, box))
    return boxes


# The export ---------------------------------------------------------------------------------------

_CATEGORIES = [
    {"id": 0, "name": "animals", "supercategory": "none"},
    *({"id": number, "name": name, "supercategory": "animals"} for number, name in enumerate(CLASSES, start=1)),
]
_DATE = "2025-01-01T00:00:00+00:00"
_README = """cartoons - v1

Drawn by nasflow's cartoons, seed {seed}: {count} images of cartoon cats and dogs.
License: Public Domain
"""


def draw_export(folder: Path, seed: int, *, train: int = 120, valid: int = 30, test: int = 40, size: int = 192) -> None:
    """Draw a labelled export; the same arguments give the same bytes.

    Args:
        folder: Made if it is not there.
        seed: Seed of everything random; each split and image has a stream of its own.
        train: Images of the train split.
        valid: Images of the valid split.
        test: Images of the test split; a split of 0 is left out.
        size: Side of the images in pixels.
    """
    folder.mkdir(parents=True, exist_ok=True)
    readme = _README.format(seed=seed, count=train + valid + test)
    (folder / "README.dataset.txt").write_text(readme)
    (folder / "README.roboflow.txt").write_text(readme)
    for split, count in (("train", train), ("valid", valid), ("test", test)):
        if count:
            _draw_split(folder / split, f"{seed}/{split}", count, size)


def _draw_split(folder: Path, stream: str, count: int, size: int) -> None:
    folder.mkdir(exist_ok=True)
    images: list[dict[str, object]] = []
    annotations: list[dict[str, object]] = []
    for number in range(count):
        image, labels = _draw_image(random.Random(f"{stream}/{number}"), size)  # noqa: S311
        name = _save(image, folder, f"{folder.name}{number:04d}_jpg")
        images.append(
            {"id": number, "license": 1, "file_name": name, "height": size, "width": size, "date_captured": _DATE}
        )
        annotations += [_annotation(len(annotations) + at, number, label) for at, label in enumerate(labels)]
    document = {
        "info": {"year": "2025", "version": "1", "description": "Cartoon cats and dogs", "date_created": _DATE},
        "licenses": [{"id": 1, "url": "https://creativecommons.org/publicdomain/zero/1.0/", "name": "Public Domain"}],
        "categories": _CATEGORIES,
        "images": images,
        "annotations": annotations,
    }
    (folder / "_annotations.coco.json").write_text(json.dumps(document))


def _save(image: Image.Image, folder: Path, stem: str) -> str:
    file = io.BytesIO()
    image.save(file, "JPEG", quality=90)
    name = f"{stem}.rf.{hashlib.sha256(file.getvalue()).hexdigest()[:32]}.jpg"
    (folder / name).write_bytes(file.getvalue())
    return name


def _annotation(number: int, image: int, label: _Labelled) -> dict[str, object]:
    x1, y1, x2, y2 = label.box
    return {
        "id": number,
        "image_id": image,
        "category_id": 1 + CLASSES.index(label.kind),
        "bbox": [x1, y1, x2 - x1, y2 - y1],
        "area": (x2 - x1) * (y2 - y1),
        "segmentation": [],
        "iscrowd": 0,
    }
