"""What detection finds in images, and how it goes to disk: a line of JSON an image, so that memory stays flat."""

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Detection:
    """A detected object: box in pixels of the image, xywh."""

    class_index: int
    score: float
    bbox: tuple[float, float, float, float]


@dataclass(frozen=True)
class ImageResult:
    """Detections of one image, best first."""

    image: str
    width: int
    height: int
    detections: tuple[Detection, ...]
    rotated: bool = False
    """Whether EXIF data asked to turn it; detections are on the turned image."""
    annotated: str = ""
    """Name of the annotated image, relative to the folder of annotated images."""


@dataclass(frozen=True)
class FailedImage:
    """An image that could not be read."""

    image: str
    why: str


Result = ImageResult | FailedImage


@dataclass
class Totals:
    """What all images came to."""

    classes: Sequence[str]
    images: int = 0
    detections: int = 0
    rotated: int = 0
    per_class: Counter[str] = field(default_factory=Counter)
    failed: list[FailedImage] = field(default_factory=list)

    def add(self, result: Result) -> None:
        """Count the result of an image."""
        if isinstance(result, FailedImage):
            self.failed.append(result)
            return
        self.images += 1
        self.rotated += result.rotated
        self.detections += len(result.detections)
        self.per_class.update(self.classes[detection.class_index] for detection in result.detections)

    def by_class(self) -> dict[str, int]:
        """Number of detections of every class, in the order of the classes."""
        return {name: self.per_class[name] for name in self.classes}


def to_line(result: ImageResult) -> str:
    """A result as a line of JSON."""
    return json.dumps(asdict(result), ensure_ascii=False, separators=(",", ":")) + "\n"


def read_lines(path: Path) -> Iterator[ImageResult]:
    """Read results one by one from a file of such lines."""
    with path.open(encoding="utf-8") as file:
        for line in file:
            fields = json.loads(line)
            detections = [
                Detection(one["class_index"], one["score"], tuple(one["bbox"])) for one in fields.pop("detections")
            ]
            yield ImageResult(detections=tuple(detections), **fields)
