"""The files of chosen images, as they are, annotated, and as thumbnails."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from tasks.detection.candidates import read
from tasks.detection.outputs.drawing import draw, jpeg, thumbnail
from tasks.detection.preprocess import decode
from tasks.detection.results import Detection
from tasks.detection.sources import Sources
from tasks.errors import BadRequest
from tasks.images.decoding import UnreadableImage
from tasks.records import Candidate, DetectedObject

IMAGES, ANNOTATED, THUMBNAILS = "images", "annotated", "thumbnails"


def write_chosen(
    sources: Sources,
    chosen: Mapping[int, tuple[Candidate, str]],
    classes: Sequence[str],
    threshold: float,
    folder: Path,
    on_image: Callable[[int, int], None],
) -> None:
    """Write the files of chosen images.

    Args:
        sources: All images, in the order of the look at them.
        chosen: By its place among them, each chosen image and the name of its file.
        classes: Class names.
        threshold: Confidence threshold of the boxes that are drawn.
        folder: Folder for the files.
        on_image: Called after each with the numbers of images done and of all that are chosen.

    Raises:
        BadRequest: an image is not what it was before.
    """
    for name in (IMAGES, ANNOTATED, THUMBNAILS):
        (folder / name).mkdir()
    done = 0
    for position, source in enumerate(sources.images):
        if done == len(chosen):
            break
        if position not in chosen:
            continue
        candidate, file = chosen[position]
        try:
            image, content = read(source, decode)
        except UnreadableImage:
            content = b""
        if hashlib.sha256(content).hexdigest() != candidate.sha256:
            raise BadRequest(f"{candidate.image}: changed while nasflow looked at the images; run it again")
        (folder / IMAGES / file).write_bytes(content)
        pixels = draw(image, [_detection(one, classes) for one in candidate.detected(threshold)], classes)
        (folder / ANNOTATED / jpeg_name(file)).write_bytes(jpeg(pixels))
        (folder / THUMBNAILS / jpeg_name(file)).write_bytes(thumbnail(pixels))
        done += 1
        on_image(done, len(chosen))


def jpeg_name(file: str) -> str:
    """Name of the annotated image of a file, and of its thumbnail."""
    return f"{file}.jpg"


def _detection(one: DetectedObject, classes: Sequence[str]) -> Detection:
    return Detection(classes.index(one.class_name), one.score, one.bbox)
