"""Detection on the images of a store: those that a version has not seen, each once."""

import hashlib
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from tasks.detection.detector import Detector
from tasks.detection.model_in_store import fetch_model
from tasks.detection.outputs.drawing import draw, jpeg
from tasks.detection.outputs.files import write_coco
from tasks.detection.outputs.folder import DETECTIONS
from tasks.detection.pipeline import in_order
from tasks.detection.results import FailedImage, ImageResult, Result, Totals, read_lines, to_line
from tasks.detection.runtimes import load
from tasks.detection.store_images import image_entries, source_of
from tasks.errors import LostRace
from tasks.images.decoding import UnreadableImage
from tasks.local.scratch import scratch_folder
from tasks.records import DetectedObject, DetectOutcome, ImageDetections, ModelVersion, StoredFile, UnreadImage
from tasks.settings import WorkSettings
from tasks.storage import keys
from tasks.storage.documents import JSON, create_record
from tasks.storage.s3 import Store
from tasks.storage.s3_objects import Entry

OnImage = Callable[[int, int], None]
"""Called with the number of images done and of all images; may raise."""


@dataclass(frozen=True)
class StoreRun:
    """A loaded version, and the store that it works in."""

    store: Store
    version: ModelVersion
    detector: Detector

    def detect(self, entry: Entry) -> Result | None:
        """Detect on an image, and create its record; None if another run created it meanwhile."""
        result, annotated = self._result(entry)
        card, image_id = self.version, image_id_of(entry)
        record = ImageDetections(
            project=card.project, version=card.version, image=entry.key, etag=entry.etag,
            threshold=self.detector.threshold,
        )  # fmt: skip
        if isinstance(result, FailedImage):
            record = record.model_copy(update={"failed": result.why})
        else:
            fields = {"width": result.width, "height": result.height, "objects": self._objects(result)}
            record = record.model_copy(update={**fields, "annotated": self._store_annotated(image_id, annotated)})
        try:
            create_record(self.store, keys.image_detections(card.project, card.version, image_id), record)
        except LostRace:
            return None
        return result

    def _result(self, entry: Entry) -> tuple[Result, bytes]:
        """What is detected on an image, and its annotated image."""
        try:
            image = source_of(self.store, "", entry).load(self.detector.decode)
        except UnreadableImage as error:
            return FailedImage(entry.key, str(error)), b""
        detections = self.detector.detect(image)
        annotated = jpeg(draw(image, detections, self.version.classes))
        return ImageResult(entry.key, image.width, image.height, detections, image.rotated), annotated

    def _objects(self, result: ImageResult) -> tuple[DetectedObject, ...]:
        return tuple(
            DetectedObject(class_name=self.version.classes[one.class_index], score=one.score, bbox=one.bbox)
            for one in result.detections
        )

    def _store_annotated(self, image_id: str, content: bytes) -> StoredFile:
        sha256 = hashlib.sha256(content).hexdigest()
        key = keys.annotated_image(self.version.project, self.version.version, image_id, sha256)
        self.store.put(key, content, content_type="image/jpeg")
        return StoredFile(key=key, sha256=sha256, size=len(content))


def image_id_of(entry: Entry) -> str:
    """What tells an image from others, and from what had its key before."""
    return hashlib.sha256(f"{entry.key}\n{entry.etag}".encode()).hexdigest()


def detect_in_store(
    store: Store, version: ModelVersion, prefix: str, settings: WorkSettings, on_image: OnImage
) -> DetectOutcome:
    """Detect on every image below a prefix that a version has not seen.

    Args:
        store: The store of model and images.
        version: The published version.
        prefix: Prefix of the images.
        settings: Settings of this machine.
        on_image: Called after each image; may raise.

    Returns:
        What was detected.

    Raises:
        BadInput: the version has no file for detection.
        CorruptObject: the file is not what was published.
    """
    entries = image_entries(store, prefix)
    done = set(store.list(keys.done_images(version.project, version.version)))
    new = [
        entry
        for entry in entries
        if keys.image_detections(version.project, version.version, image_id_of(entry)) not in done
    ]
    totals, file = Totals(version.classes), None
    if new:
        with scratch_folder(settings.work_dir / "scratch") as folder:
            runtime = load(fetch_model(store, version, settings, folder))
            run = StoreRun(store, version, Detector(runtime, runtime.model.threshold))
            totals, file = _detect_all(run, new, folder, on_image)
    detected = totals.images + len(totals.failed)
    return DetectOutcome(
        project=version.project, version=version.version, weights_sha256=version.weights.sha256, prefix=prefix,
        images=len(entries), done_before=len(entries) - detected, detected=totals.images, detections=totals.detections,
        per_class=totals.by_class(), failed=tuple(UnreadImage(image=one.image, why=one.why) for one in totals.failed),
        file=file,
    )  # fmt: skip


def _detect_all(run: StoreRun, new: list[Entry], folder: Path, on_image: OnImage) -> tuple[Totals, StoredFile | None]:
    """Detect on images, and store what this run detected as one file."""
    totals, lines = Totals(run.version.classes), folder / "results.jsonl"
    with lines.open("w", encoding="utf-8") as file:
        with closing(in_order(run.detect, new, run.detector.runtime.parallel)) as results:
            for done, result in enumerate(results, start=1):
                if result:
                    totals.add(result)
                if isinstance(result, ImageResult):
                    file.write(to_line(result))
                on_image(done, len(new))
    if not totals.images:
        return totals, None
    card, path = run.version, folder / DETECTIONS
    info = {"description": f"{card.project}/{card.version}", "threshold": run.detector.threshold}
    write_coco(path, read_lines(lines), card.classes, info)
    stored = run.store.upload(
        path, lambda sha256: keys.new_detections(card.project, card.version, sha256), content_type=JSON
    )
    return totals, stored
