"""``make fuzz``: exports of every format and layout with randomly changed bytes, for a given time.

Inspecting one must end in a typed error or in findings. A seed that shows anything else is printed, and belongs into
SEEDS, which the tests try each time.
"""

import argparse
import json
import random
import shutil
import tempfile
import time
import traceback
from pathlib import Path

from tasks.errors import NasflowError
from tasks.labeling.formats.zips import pack
from tasks.labeling.inspection import inspect_export
from tasks.records import LabelRules
from tests.fakes.formats import FORMATS, write_in
from tests.fakes.tool_exports import TEST, coco_document, write_coco, write_images, write_yolo

SEEDS: tuple[int, ...] = ()
"""Seeds that once showed a fault."""
FRAGMENTS = (
    b"", b"\x00", b"\xff\xfe", b"nan", b"1e999", b"-1", b"99999999999999999999", b"null", b"[]", b"{}", b'"', b"<",
    b"&x;", b"\n", b",", b"../", b"/etc/passwd", b"\xef\xbb\xbf", b"true", b"0.5 0.5", b"[[[[", b"<!DOCTYPE a>",
    b": &a *a",
)  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=20)
    parser.add_argument("--seed", type=int, default=0, help="the first; default 0")
    options = parser.parse_args()
    seed, until, faults = options.seed, time.monotonic() + 60 * options.minutes, 0
    while time.monotonic() < until:
        try:
            attempt(seed)
        except Exception:  # noqa: BLE001 - any untyped error is a fault
            faults += 1
            print(f"seed {seed}:")
            traceback.print_exc()
        seed += 1
    print(f"seeds {options.seed} to {seed - 1}: {faults} faults")
    raise SystemExit(1 if faults else 0)


def attempt(seed: int) -> None:
    """Inspect one changed export; raises any error that is not typed."""
    dice = random.Random(seed)
    with tempfile.TemporaryDirectory(prefix="fuzz-") as name:
        folder = Path(name)
        export = write(dice, folder / "export")
        for _ in range(dice.randint(1, 3)):
            change(dice.choice(sorted(path for path in export.rglob("*") if path.is_file())), dice)
        if dice.random() < 0.3:
            pack(export, folder / "export.zip")
            shutil.rmtree(export)
            export = folder / "export.zip"
            if dice.random() < 0.5:
                change(export, dice)
        try:
            inspection = inspect_export(export, folder / "scratch", rules=rules_of(dice))
        except NasflowError as error:
            assert_one_line(error)
            return
        for image in inspection.images:
            for box in image.boxes:
                assert 0 <= box.x1 < box.x2 <= image.width
                assert 0 <= box.y1 < box.y2 <= image.height
                assert 0 <= box.class_index < len(inspection.classes)


def write(dice: random.Random, folder: Path) -> Path:
    """Write an export as Roboflow, CVAT, COCO itself or Label Studio lays it out."""
    kind = dice.choice((*FORMATS, "coco apart", "yolo apart", "label studio"))
    if kind in FORMATS:
        return write_in(kind, folder)
    if kind == "coco apart":
        return write_coco(folder, by_split("annotations/instances_{}.json"), by_split("images/{}"))
    if kind == "yolo apart":
        write_yolo(folder, by_split("images/{}"), by_split("labels/{}"))
        (folder / "data.yaml").write_text(
            "".join(f"{split}: images/{split}\n" for split in TEST) + "names: [cat, dog]\n"
        )
        return folder
    write_images(folder / "images", "train", TEST["train"])
    (folder / "result.json").write_text(json.dumps(coco_document(TEST["train"], "../upload/7/", annotator="ann")))
    return folder


def by_split(pattern: str) -> dict[str, str]:
    """A path for each split."""
    return {split: pattern.format(split) for split in TEST}


def rules_of(dice: random.Random) -> LabelRules:
    """Any rules for reading labels."""
    return LabelRules(
        on_unreadable_image=dice.choice(("fail", "skip")), orientation=dice.choice(("auto", "turned", "stored")),
        background=dice.choice(("keep", "drop")), double_boxes=dice.choice(("keep", "merge")),
        annotator=dice.choice((None, None, None, "ann")),
    )  # fmt: skip


def assert_one_line(error: NasflowError) -> None:
    assert "\n" not in str(error), error


def change(path: Path, dice: random.Random) -> None:
    """Remove, replace or add some bytes of a file."""
    content = bytearray(path.read_bytes())
    for _ in range(dice.randint(1, 4)):
        at = dice.randint(0, len(content))
        length = dice.choice([0, 0, 1, 4, 30])
        fragment = dice.choice(FRAGMENTS) if dice.random() < 0.7 else dice.randbytes(dice.randint(1, 4))
        content[at : at + length] = fragment
    path.write_bytes(content)


if __name__ == "__main__":
    main()
