"""Exporting in the trainer's process: a run's weights in all formats, and a measurement of each file.

Each file is compared with the trained network, in fp32 on the processor, on the images of a split. Training images are
what int8 is calibrated on. At the end it writes ``formats.json``, an Export, which names the files that agree, and why
the others do not.
"""

import itertools
import math
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from tasks.errors import DiskFull, TrainingStopped
from tasks.local import dataset_folder
from tasks.local.files import publish_bytes
from tasks.records import FORMAT_FILES, Agreement, Export, ExportedFormat
from tasks.training.contract import files
from tasks.training.contract.events import BatchesDone
from tasks.training.contract.job import ExportWork
from tasks.training.worker.checks import refuse_empty, refuse_other_classes
from tasks.training.worker.runtime.disk import disk_full_reported
from tasks.training.worker.runtime.events import Events
from tasks.training.worker.runtime.process import heavy_imports, quiet_libraries

if TYPE_CHECKING:
    from tasks.training.worker.formats.network import Detect, TrainedNetwork


def export(work: ExportWork, events: Events, stop: threading.Event) -> None:
    """Write and measure all formats.

    Args:
        work: What to export.
        events: Where progress is reported.
        stop: Set when a stop is requested.

    Raises:
        TrainingStopped: a stop was requested; formats.json was not written.
    """
    snapshot = dataset_folder.load(work.data)
    refuse_empty(snapshot, (work.split,))
    work.out.mkdir(parents=True, exist_ok=True)
    quiet_libraries(work.out)
    with heavy_imports():
        from tasks.training.worker.formats import calibration
        from tasks.training.worker.formats.measure import BATCH_SIZE, images_to_measure, measure
        from tasks.training.worker.formats.network import TrainedNetwork

    def refuse_if_stopped() -> None:
        if stop.is_set():
            raise TrainingStopped("stopped on request; what was exported is not used")

    measured, calibrated = images_to_measure(snapshot, work.split), calibration.images_to_calibrate_on(snapshot)
    steps = math.ceil(len(measured) / BATCH_SIZE) + math.ceil(len(calibrated) / calibration.BATCH_SIZE)
    numbers = itertools.count(1)

    def on_batch() -> None:
        refuse_if_stopped()
        events.report(BatchesDone(done=next(numbers), total=steps))

    trained = TrainedNetwork.load(work.weights, work.threshold)
    refuse_other_classes(trained.classes, snapshot)
    batches = calibration.batches_of(calibrated, work.data, trained.size, on_batch)
    trained = replace(trained, training_images=batches)
    written, refused = write_all(trained, work.out, refuse_if_stopped)
    agreements, failures = measure(trained, written, work.data, measured, on_batch)
    result = judge_all(trained, work.out, agreements, refused | failures)
    publish_bytes(work.out / files.EXPORT, result.model_dump_json(indent=1).encode())


def write_all(
    trained: "TrainedNetwork", out: Path, before_format: Callable[[], None]
) -> tuple[dict[str, "Detect"], dict[str, str]]:
    """Write a file of each format, and load it.

    Args:
        trained: The trained network.
        out: Folder for the files.
        before_format: Called before each format; may raise.

    Returns:
        How each file detects, and why a format could not be written or loaded, by format.

    Raises:
        TrainingStopped: a stop was requested.
        DiskFull: there is no room for a file.
    """
    from tasks.training.worker.formats.measure import first_line
    from tasks.training.worker.formats.table import FORMATS

    loaded, refused = {}, {}
    for name, format_ in FORMATS.items():
        before_format()
        path = out / FORMAT_FILES[name]
        try:
            with disk_full_reported(out):
                format_.write(trained, path)
            loaded[name] = format_.load(trained, path)
        except (TrainingStopped, DiskFull):
            raise
        except Exception as error:  # noqa: BLE001, the other formats may do
            refused[name] = f"it cannot be exported: {first_line(error)}"
    return loaded, refused


def judge_all(
    trained: "TrainedNetwork", out: Path, agreements: dict[str, Agreement], refused: dict[str, str]
) -> Export:
    """Decide which files may be published, and time those that are to be faster than others.

    Args:
        trained: The trained network.
        out: Folder of the files.
        agreements: How the files agree with the network, by format.
        refused: Why a format could not be measured.

    Returns:
        The files that may be published, and why the others may not.
    """
    from tasks.training.worker.formats.table import FORMATS

    exported, refused = [], dict(refused)
    for name, agreement in agreements.items():
        format_ = FORMATS[name]
        if reason := format_.disagreement(agreement):
            refused[name] = reason
            continue
        speed = format_.speed(trained, out / FORMAT_FILES[name]) if format_.speed else None
        exported.append(ExportedFormat(name=name, agreement=agreement, speed=speed))
    return Export(exported=tuple(exported), refused=refused)
