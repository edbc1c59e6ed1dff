"""``nasflow detect``: a published model, or a file of one, on new images."""

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from deployments.offline.image_inputs import open_images
from deployments.remote.models import find_named
from deployments.terminal.console import progress_bar, say, show_on
from tasks.detection.detector import Detector
from tasks.detection.model_file import is_model_file
from tasks.detection.model_in_store import fetch_model
from tasks.detection.outputs.folder import OUTPUTS
from tasks.detection.run import Detected, detect_images
from tasks.detection.runtimes import load
from tasks.local.output_folder import output_folder
from tasks.records import DetectionPrecision, DetectOptions
from tasks.settings import WorkSettings, from_environment
from tasks.storage.s3 import Store


def detect(model: str, images: Sequence[str], out: Path, options: DetectOptions) -> dict[str, Any]:
    """Detect on images, and publish what was found in a folder.

    Args:
        model: ``PROJECT``, ``PROJECT/VERSION``, ``PROJECT@ALIAS``, or an ONNX file.
        images: Files, folders, patterns, zips and prefixes of the store.
        out: Folder for the results.
        options: How the model is used.

    Returns:
        What was detected and how fast, as JSON would have it; ``ok`` says whether every image could be read.

    Raises:
        BadInput: there is no such model or image, or the folder cannot be used.
    """
    with open_images(images) as sources, TemporaryDirectory(prefix="nasflow-") as scratch:
        if sources.others:
            say(f"{sources.others} other files are neither images nor videos, and are left out")
        path, name = find_model_file(model, Path(scratch), options.precision)
        runtime = load(path, precision=options.precision)
        threshold = runtime.model.threshold if options.threshold is None else options.threshold
        detector = Detector(runtime, threshold, options.tile)
        with output_folder(out, OUTPUTS) as folder, progress_bar(f"{sources.count} images") as bar:
            detected = detect_images(detector, sources, folder, f"Detections of {name}", show_on(bar.show))
    return _document(detected, detector, name, out)


def find_model_file(model: str, scratch: Path, precision: DetectionPrecision | None = None) -> tuple[Path, str]:
    """The file of a model, and what the model is called.

    Args:
        model: An ONNX file, or the name of a published model.
        scratch: Folder for the file of a published model.
        precision: Number format that is asked for; None for what is fastest.

    Returns:
        The file, and ``PROJECT/VERSION`` or the file's name.

    Raises:
        BadInput: there is no such model.
    """
    if is_model_file(model):
        return Path(model), Path(model).name
    store = Store.from_environment()
    version = find_named(store, model)
    file = fetch_model(store, version, from_environment(WorkSettings), scratch, precision)
    return file, f"{version.project}/{version.version}"


def _document(detected: Detected, detector: Detector, model: str, out: Path) -> dict[str, Any]:
    totals = detected.totals
    if totals.rotated:
        say(
            f"warning: {totals.rotated} images were turned as their EXIF data ask; boxes are those of the turned images"
        )
    return {
        "ok": not totals.failed,
        "model": model,
        "images": totals.images,
        "detections": totals.detections,
        "per_class": totals.by_class(),
        "failed": [{"image": one.image, "why": one.why} for one in totals.failed],
        "threshold": detector.threshold,
        "seconds": round(detected.seconds, 3),
        "images_per_second": round(totals.images / detected.seconds, 2),
        "device": detector.runtime.device,
        "out": str(out.absolute()),
    }
