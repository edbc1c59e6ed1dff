"""Detection on many images: each is read, detected on, drawn and written in a thread; then the files about all."""

import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from tasks.detection.detector import Detector
from tasks.detection.outputs.drawing import draw, jpeg, thumbnail
from tasks.detection.outputs.files import write_coco, write_csv
from tasks.detection.outputs.folder import DETECTIONS, IMAGES, TABLE, THUMBNAILS
from tasks.detection.outputs.gallery import write_gallery
from tasks.detection.pipeline import in_order
from tasks.detection.results import FailedImage, ImageResult, Result, Totals, read_lines, to_line
from tasks.detection.sources import Source, Sources, UniqueNames
from tasks.images.decoding import UnreadableImage

OnImage = Callable[[int, int], None]
"""Called with the number of images done and of all images, where it is known."""
LINES = "results.jsonl"
"""Results as they come; the files about all images are made from it, and it is removed."""


@dataclass(frozen=True)
class Work:
    """An image, and the names under which it is listed and its annotated image is written."""

    source: Source
    name: str
    annotated: str


@dataclass(frozen=True)
class Detected:
    """What a run came to."""

    totals: Totals
    seconds: float
    """From the first image to the last file."""


def detect_images(detector: Detector, sources: Sources, folder: Path, title: str, on_image: OnImage) -> Detected:
    """Detect on images, and write annotated images, COCO JSON, CSV and a gallery.

    Args:
        detector: The network.
        sources: The images.
        folder: An empty folder for the files.
        title: What the gallery and the COCO file call it.
        on_image: Called after each image; may raise.

    Returns:
        What was detected; images that cannot be read are named in it.
    """
    start = time.monotonic()
    totals = Totals(detector.runtime.model.classes)
    lines = folder / LINES
    with lines.open("w", encoding="utf-8") as file:
        work = in_order(lambda one: _detect(detector, folder, one), _named(sources), detector.runtime.parallel)
        with closing(work):
            for done, result in enumerate(work, start=1):
                totals.add(result)
                if isinstance(result, ImageResult):
                    file.write(to_line(result))
                on_image(done, sources.count)
    _write_files(detector, lines, totals, title)
    lines.unlink()
    return Detected(totals, time.monotonic() - start)


def _named(sources: Sources) -> Iterator[Work]:
    names, annotated = UniqueNames(), UniqueNames()
    for source in sources.images:
        name = names.give(source.name)
        yield Work(source, name, annotated.give(str(Path(name).with_suffix(".jpg"))))


def _detect(detector: Detector, folder: Path, work: Work) -> Result:
    try:
        image = work.source.load(detector.decode)
    except UnreadableImage as error:
        return FailedImage(work.name, str(error))
    detections = detector.detect(image)
    pixels = draw(image, detections, detector.runtime.model.classes)
    _write(folder / IMAGES / work.annotated, jpeg(pixels))
    _write(folder / THUMBNAILS / work.annotated, thumbnail(pixels))
    return ImageResult(work.name, image.width, image.height, detections, image.rotated, work.annotated)


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def _write_files(detector: Detector, lines: Path, totals: Totals, title: str) -> None:
    folder, model = lines.parent, detector.runtime.model
    info = {
        "description": title,
        "threshold": detector.threshold,
        "weights_sha256": model.weights_sha256,
        "device": detector.runtime.device,
    }
    write_coco(folder / DETECTIONS, read_lines(lines), model.classes, info)
    write_csv(folder / TABLE, read_lines(lines), model.classes)
    facts = [f"Confidence threshold {detector.threshold:g}. Computed on {detector.runtime.device}."]
    write_gallery(folder, read_lines(lines), totals, title, facts)
