"""A look at many images, for a choice among them: their boxes, also some below the threshold, and their hashes."""

import hashlib
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass

import cv2
from PIL import Image

from tasks.detection.detector import Detector
from tasks.detection.outputs.drawing import jpeg
from tasks.detection.pipeline import in_order
from tasks.detection.preprocess import DecodedImage
from tasks.detection.results import FailedImage
from tasks.detection.sources import Source, Sources, UniqueNames
from tasks.images.decoding import UnreadableImage
from tasks.images.difference_hash import difference_hash
from tasks.records import Candidate, DetectedObject


@dataclass(frozen=True)
class Looked:
    """What a look at all images came to."""

    candidates: list[Candidate]
    failed: list[FailedImage]


def look_at(detector: Detector, sources: Sources, on_image: Callable[[int, int], None]) -> Looked:
    """Look at every image.

    Args:
        detector: The network, with a threshold below the one that counts.
        sources: The images.
        on_image: Called after each with the numbers of images done and of all images; may raise.

    Returns:
        The images; those that cannot be read are named.
    """
    looked = Looked([], [])
    work = in_order(lambda one: _look(detector, *one), _numbered(sources), detector.runtime.parallel)
    with closing(work):
        for done, result in enumerate(work, start=1):
            if isinstance(result, FailedImage):
                looked.failed.append(result)
            else:
                looked.candidates.append(result)
            on_image(done, sources.count)
    return looked


def _numbered(sources: Sources) -> Iterator[tuple[int, str, Source]]:
    names = UniqueNames()
    return ((number, names.give(source.name), source) for number, source in enumerate(sources.images))


def _look(detector: Detector, position: int, name: str, source: Source) -> Candidate | FailedImage:
    try:
        image, content = read(source, detector.decode)
    except UnreadableImage as error:
        return FailedImage(name, str(error))
    classes = detector.runtime.model.classes
    grey = Image.fromarray(cv2.cvtColor(image.pixels, cv2.COLOR_BGR2GRAY))
    objects = tuple(
        DetectedObject(class_name=classes[one.class_index], score=one.score, bbox=one.bbox)
        for one in detector.detect(image)
    )
    return Candidate(
        position=position, image=name, sha256=hashlib.sha256(content).hexdigest(), width=image.width,
        height=image.height, difference_hash=difference_hash(grey), rotated=image.rotated, objects=objects,
    )  # fmt: skip


def read(source: Source, decode: Callable[[bytes], DecodedImage]) -> tuple[DecodedImage, bytes]:
    """Read and decode an image.

    Args:
        source: The image.
        decode: Decodes its bytes.

    Returns:
        The image, and its file; a frame of a video as JPEG.

    Raises:
        UnreadableImage: it cannot be read.
    """
    contents: list[bytes] = []

    def keep(data: bytes) -> DecodedImage:
        contents.append(data)
        return decode(data)

    image = source.load(keep)
    return image, contents[0] if contents else jpeg(image.pixels)
