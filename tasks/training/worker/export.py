"""``python -m tasks.training.worker.export``: write a run's weights in all formats, and measure each file.

Each file is compared with the trained network, in fp32 on the processor, on the images of a split. Training images are
what int8 is calibrated on. At the end it writes ``formats.json``, an Export, which names the files that agree, and why
the others do not.
"""

import argparse
import itertools
import math
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tasks.errors import DiskFull, TrainingStopped
from tasks.local import dataset_folder
from tasks.local.files import publish_bytes
from tasks.records import FORMAT_FILES, SPLITS, Agreement, Export, ExportedFormat
from tasks.training import files
from tasks.training.worker.detect import refuse_empty, refuse_other_classes
from tasks.training.worker.runtime.disk import disk_full_reported
from tasks.training.worker.runtime.events import Events
from tasks.training.worker.runtime.process import heavy_imports, leave, quiet_libraries, run, stop_on_request

if TYPE_CHECKING:
    from tasks.training.worker.formats.network import Detect, TrainedNetwork


def main(arguments: list[str] | None = None) -> int:
    """Parse the command line, and export."""
    parser = argparse.ArgumentParser(prog="python -m tasks.training.worker.export", description=__doc__)
    parser.add_argument("--weights", type=Path, required=True, help="best.safetensors of a run")
    parser.add_argument("--data", type=Path, required=True, help="dataset folder: snapshot.json and images/")
    parser.add_argument("--split", choices=SPLITS, required=True, help="split whose images the files are measured on")
    parser.add_argument("--threshold", type=float, required=True, help="confidence threshold that the files name")
    parser.add_argument("--out", type=Path, required=True, help="folder for the files")
    parser.add_argument("--events", type=Path, help="file or /dev/fd/N for JSON lines about progress")
    parser.add_argument("--stop-with-parent", action="store_true", help="stop when stdin ends")
    options = parser.parse_args(arguments)
    stop = stop_on_request(with_parent=options.stop_with_parent)
    return run(lambda events: export(options, events, stop), options.events)


def export(options: argparse.Namespace, events: Events, stop: threading.Event) -> dict[str, Any]:
    """Write and measure all formats.

    Args:
        options: The command line.
        events: Where progress is reported.
        stop: Set when a stop is requested.

    Returns:
        Names of the formats that agree, and of those that do not.

    Raises:
        TrainingStopped: a stop was requested; formats.json was not written.
    """
    snapshot = dataset_folder.load(options.data)
    refuse_empty(snapshot, (options.split,))
    options.out.mkdir(parents=True, exist_ok=True)
    quiet_libraries(options.out)
    with heavy_imports():
        from tasks.training.worker.formats import calibration
        from tasks.training.worker.formats.measure import BATCH_SIZE, images_to_measure, measure
        from tasks.training.worker.formats.network import TrainedNetwork

    def refuse_if_stopped() -> None:
        if stop.is_set():
            raise TrainingStopped("stopped on request; what was exported is not used")

    measured, calibrated = images_to_measure(snapshot, options.split), calibration.images_to_calibrate_on(snapshot)
    steps = math.ceil(len(measured) / BATCH_SIZE) + math.ceil(len(calibrated) / calibration.BATCH_SIZE)
    numbers = itertools.count(1)

    def on_batch() -> None:
        refuse_if_stopped()
        events.report("step", step=next(numbers), steps=steps)

    trained = TrainedNetwork.load(options.weights, options.threshold)
    refuse_other_classes(trained.classes, snapshot)
    batches = calibration.batches_of(calibrated, options.data, trained.size, on_batch)
    trained = replace(trained, training_images=batches)
    written, refused = write_all(trained, options.out, refuse_if_stopped)
    agreements, failures = measure(trained, written, options.data, measured, on_batch)
    result = judge_all(trained, options.out, agreements, refused | failures)
    publish_bytes(options.out / files.EXPORT, result.model_dump_json(indent=1).encode())
    return {"exported": [one.name for one in result.exported], "refused": result.refused}


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


if __name__ == "__main__":
    leave(main())
