"""``make writers``: what other tools write, as nasflow reads it.

An export has to give the images, classes and boxes that it was written from, or a finding that names what its writer
lost.
"""

import json
import logging
import random
import subprocess
import sys
import tempfile
from pathlib import Path

from tasks.errors import NasflowError
from tasks.labeling.inspection import Inspection, inspect_export
from tests.fakes.exports import image_bytes

PYTHON = Path(__file__).parents[2] / ".writers" / "bin" / "python"
CLASSES, WIDTH, HEIGHT = ["cat", "dog"], 160, 120
IMAGES = {"train": 12, "valid": 4, "test": 4}
LOSSES = {"voc-whole-pixels"}
"""Findings that name a loss of the writer; boxes may then differ by a pixel."""

Box = tuple[str, float, float, float, float]
Labels = dict[tuple[str, str], list[Box]]
"""Boxes by split and file name."""


def main() -> int:
    """Write, read and compare all exports; gives the exit code."""
    with tempfile.TemporaryDirectory(prefix="nasflow-writers-") as name:
        folder = Path(name)
        labels = draw(folder)
        subprocess.run([PYTHON, Path(__file__).with_name("write.py"), folder], check=True, stdout=subprocess.DEVNULL)
        results = [(path.name, *judge(path, folder, labels)) for path in sorted((folder / "exports").iterdir())]
    print(f"{'tool and format':28} {'read as':8} {'result':24} findings")
    for row in results:
        print(f"{row[0]:28} {row[1]:8} {row[2]:24} {row[3]}")
    wrong = [row for row in results if row[2] not in ("the same", "the same to a pixel")]
    print(f"{len(results) - len(wrong)} of {len(results)} exports as they were meant")
    return 1 if wrong else 0


def draw(folder: Path) -> Labels:
    """Write images and their boxes; one image in each split has none."""
    dice = random.Random(1)
    splits: dict[str, dict[str, list[Box]]] = {}
    for split, count in IMAGES.items():
        (folder / "images" / split).mkdir(parents=True)
        splits[split] = {}
        for number in range(count):
            name = f"{split}{number}.jpg"
            (folder / "images" / split / name).write_bytes(image_bytes((split, name), WIDTH, HEIGHT))
            splits[split][name] = [_box(dice) for _ in range(number % 4)]
    content = {"classes": CLASSES, "size": [WIDTH, HEIGHT], "splits": splits}
    (folder / "labels.json").write_text(json.dumps(content))
    return {(split, name): boxes for split, of_split in splits.items() for name, boxes in of_split.items()}


def _box(dice: random.Random) -> Box:
    x1, y1 = dice.randrange(0, WIDTH - 40), dice.randrange(0, HEIGHT - 40)
    return dice.choice(CLASSES), x1, y1, x1 + dice.randrange(10, 40), y1 + dice.randrange(10, 40)


def judge(export: Path, folder: Path, labels: Labels) -> tuple[str, str, str]:
    """Read an export; the format it is read as, what came of it, and its findings."""
    try:
        inspection = inspect_export(export, folder / "scratch")
    except NasflowError as error:
        return "", "refused", str(error)
    codes = [finding.code for finding in inspection.findings]
    tolerance = 1.0 if LOSSES & set(codes) else 0.01
    if not equal(read(inspection), labels, tolerance):
        result = "other labels"
    else:
        result = "the same" if tolerance < 1 else "the same to a pixel"
    return inspection.format, result, ", ".join(codes)


def read(inspection: Inspection) -> Labels:
    """Boxes as they are read, by split and file name."""
    return {
        (image.split, Path(image.file_name).name): [(inspection.classes[box[0]], *box[1:]) for box in image.boxes]
        for image in inspection.images
    }


def equal(one: Labels, other: Labels, tolerance: float) -> bool:
    """Whether two sets of labels have the same images, with the same boxes in any order."""
    return one.keys() == other.keys() and all(_same_boxes(boxes, other[key], tolerance) for key, boxes in one.items())


def _same_boxes(some: list[Box], others: list[Box], tolerance: float) -> bool:
    pairs = zip(sorted(some), sorted(others), strict=False)
    return len(some) == len(others) and all(
        a[0] == b[0] and max(abs(p - q) for p, q in zip(a[1:], b[1:], strict=True)) <= tolerance for a, b in pairs
    )


if __name__ == "__main__":
    logging.disable()
    sys.exit(main())
