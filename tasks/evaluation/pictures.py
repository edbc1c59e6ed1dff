"""Pictures for the report page: what was labelled beside what was found, the worst first."""

import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Literal

from PIL import Image, ImageDraw, ImageFont

from tasks.records import Box, LabelledImage

SIDE = 560
"""Longer side of the drawn pictures, in pixels."""
MATCH_IOU = 0.5
_DASH = 20
"""Pixels from one dash to the next."""
_GOOD_SHARE = 4
"""One in so many pictures shows a success, if there are any."""
_COLOURS = (
    "#4e9af1",
    "#f28e2b",
    "#59c26a",
    "#e8575a",
    "#b07aff",
    "#f2cf3b",
    "#3ec9c4",
    "#ff8fb8",
    "#b58860",
    "#b9c0c7",
)


@dataclass(frozen=True)
class ReportPicture:
    """One picture with its boxes drawn in, twice."""

    file_name: str
    kind: Literal["errors", "good"]
    correct: int
    missed: int
    false: int
    truth_alt: str
    found_alt: str
    truth_jpeg: bytes
    found_jpeg: bytes


@dataclass
class _Compared:
    """One picture's boxes, matched. Corners in pixels."""

    image: LabelledImage
    missed: list[bool]
    found: list[tuple[Box, float]]
    false: list[bool] = field(default_factory=list)

    @property
    def errors(self) -> int:
        return sum(self.missed) + sum(self.false)


def compare_pictures(
    images: Sequence[LabelledImage],
    classes: Sequence[str],
    detections: Sequence[Mapping[str, Any]],
    threshold: float,
    picture_path: Callable[[LabelledImage], Path],
    limit: int,
) -> list[ReportPicture]:
    """Draw the pictures with the most errors, then a few without any.

    Args:
        images: Pictures; the first has image id 1.
        classes: Names by class index.
        detections: COCO results; category id = class index + 1.
        threshold: Detections with a lower score are left out, a fraction.
        picture_path: Where a picture's file is.
        limit: At most so many pictures.
    """
    found: dict[int, list[tuple[Box, float]]] = {}
    for one in detections:
        if one["score"] >= threshold:
            x, y, width, height = one["bbox"]
            box = Box(one["category_id"] - 1, x, y, x + width, y + height)
            found.setdefault(one["image_id"], []).append((box, one["score"]))
    compared = [_compare(image, found.get(number, [])) for number, image in enumerate(images, start=1)]
    return [_draw_both(one, classes, picture_path(one.image)) for one in _choose(compared, limit)]


def _choose(compared: Sequence[_Compared], limit: int) -> list[_Compared]:
    wrong = sorted((one for one in compared if one.errors), key=lambda one: (-one.errors, one.image.file_name))
    good = sorted(
        (one for one in compared if not one.errors and one.image.boxes),
        key=lambda one: (-len(one.image.boxes), one.image.file_name),
    )
    shown_good = good[: max(limit // _GOOD_SHARE, limit - len(wrong))]
    return wrong[: limit - len(shown_good)] + shown_good


def _compare(image: LabelledImage, found: list[tuple[Box, float]]) -> _Compared:
    """Match as COCO does: by falling score, each with the best free truth of its class from IoU 0.50 on."""
    result = _Compared(image, [True] * len(image.boxes), sorted(found, key=lambda one: -one[1]))
    for box, _ in result.found:
        overlaps = {
            index: overlap
            for index, truth in enumerate(image.boxes)
            if result.missed[index] and truth.class_index == box.class_index
            if (overlap := _iou(box, truth)) >= MATCH_IOU
        }
        result.false.append(not overlaps)
        if overlaps:
            result.missed[max(overlaps, key=overlaps.__getitem__)] = False
    return result


def _iou(a: Box, b: Box) -> float:
    """Intersection over union of two boxes, in [0, 1]."""
    both = max(0.0, min(a.x2, b.x2) - max(a.x1, b.x1)) * max(0.0, min(a.y2, b.y2) - max(a.y1, b.y1))
    union = (a.x2 - a.x1) * (a.y2 - a.y1) + (b.x2 - b.x1) * (b.y2 - b.y1) - both
    return both / union if union > 0 else 0.0


def _draw_both(compared: _Compared, classes: Sequence[str], path: Path) -> ReportPicture:
    image = compared.image
    picture, scale = _open(path, image)
    truths = [(box, classes[box.class_index], missed) for box, missed in zip(image.boxes, compared.missed, strict=True)]
    found = [
        (box, f"{classes[box.class_index]} {score:.2f}", false)
        for (box, score), false in zip(compared.found, compared.false, strict=True)
    ]
    missed, false = sum(compared.missed), sum(compared.false)
    return ReportPicture(
        file_name=image.file_name,
        kind="errors" if compared.errors else "good",
        correct=len(compared.found) - false,
        missed=missed,
        false=false,
        truth_alt=f"Labels of {image.file_name}: {_in_words(truths, 'missed')}",
        found_alt=f"Detections in {image.file_name}: {_in_words(found, 'false')}",
        truth_jpeg=_draw(picture, scale, truths),
        found_jpeg=_draw(picture, scale, found),
    )


def _in_words(boxes: Sequence[tuple[Box, str, bool]], wrong: str) -> str:
    return ", ".join(f"{label} ({wrong})" if is_wrong else label for _, label, is_wrong in boxes) or "none"


def _open(path: Path, image: LabelledImage) -> tuple[Image.Image, float]:
    """The picture in RGB at drawing size, and the scale of its boxes."""
    scale = SIDE / max(image.width, image.height)
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    with Image.open(path) as file:
        # Not turned as the camera's tag says: labels count in the pixels as stored.
        return file.convert("RGB").resize(size, Image.Resampling.BICUBIC), scale


def _draw(picture: Image.Image, scale: float, boxes: Sequence[tuple[Box, str, bool]]) -> bytes:
    """A JPEG with boxes: whole lines where truth and detection agree, dashed where not."""
    canvas = picture.copy()
    draw = ImageDraw.Draw(canvas)
    # The best last, and labels after lines, so that they lie on top.
    shown = [(_corners(box, scale), label, is_wrong, _colour(box)) for box, label, is_wrong in reversed(boxes)]
    for corners, _, is_wrong, colour in shown:
        _outline(draw, corners, colour, dashed=is_wrong)
    for corners, label, _, colour in shown:
        _tag(draw, canvas.size, corners, label, colour)
    written = io.BytesIO()
    canvas.save(written, "JPEG", quality=82, optimize=True)
    return written.getvalue()


def _corners(box: Box, scale: float) -> tuple[float, float, float, float]:
    """On the drawn picture. Pillow refuses rectangles that end before they begin."""
    x1, y1, x2, y2 = (value * scale for value in box[1:])
    return x1, y1, max(x1, x2), max(y1, y2)


def _colour(box: Box) -> str:
    return _COLOURS[box.class_index % len(_COLOURS)]


def _outline(draw: ImageDraw.ImageDraw, corners: Sequence[float], colour: str, *, dashed: bool) -> None:
    x1, y1, x2, y2 = corners
    # Dark below, so that lines and the gaps between dashes are seen on any ground.
    draw.rectangle((x1 - 1, y1 - 1, x2 + 1, y2 + 1), outline="#000000", width=7)
    if not dashed:
        draw.rectangle((x1, y1, x2, y2), outline=colour, width=5)
        return
    for at in range(round(x1), round(x2) + 1, _DASH):
        end = min(at + _DASH * 0.6, x2)
        draw.line((at, y1 + 2, end, y1 + 2), fill=colour, width=5)
        draw.line((at, y2 - 2, end, y2 - 2), fill=colour, width=5)
    for at in range(round(y1), round(y2) + 1, _DASH):
        end = min(at + _DASH * 0.6, y2)
        draw.line((x1 + 2, at, x1 + 2, end), fill=colour, width=5)
        draw.line((x2 - 2, at, x2 - 2, end), fill=colour, width=5)


def _tag(draw: ImageDraw.ImageDraw, size: tuple[int, int], corners: Sequence[float], text: str, colour: str) -> None:
    """The label above the box, or inside it where there is no room; always inside the picture."""
    font = _font()
    left, top, right, bottom = draw.textbbox((0, 0), text, font=font)
    width, height = right - left + 8, bottom - top + 6
    x = min(max(0.0, corners[0] - 1), max(0.0, size[0] - width))
    y = corners[1] - height if corners[1] >= height else min(corners[1], size[1] - height)
    draw.rectangle((x, y, x + width, y + height), fill=colour)
    draw.text((x + 4 - left, y + 3 - top), text, fill="#101418", font=font)


@cache
def _font() -> ImageFont.FreeTypeFont:
    """DejaVu Sans, which comes with matplotlib: it knows more scripts than Pillow's own."""
    import matplotlib as mpl

    return ImageFont.truetype(str(Path(mpl.get_data_path(), "fonts", "ttf", "DejaVuSans-Bold.ttf")), 20)
