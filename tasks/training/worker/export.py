"""``python -m tasks.training.worker.export``: write a run's weights in all formats, and measure each file.

Each file is compared with the trained network, in fp32 on the processor. At the end it writes ``formats.json``, an
Export, which names the files that agree, and why the others do not.
"""

import argparse
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tasks.errors import TrainingStopped
from tasks.local import dataset_folder
from tasks.local.files import publish_bytes
from tasks.records import FORMAT_FILES, SPLITS, Export, ExportedFormat
from tasks.training import files
from tasks.training.worker.detect import refuse_empty, refuse_other_classes
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
        from tasks.training.worker.formats.agreement import disagreement
        from tasks.training.worker.formats.measure import images_to_measure, measure
        from tasks.training.worker.formats.network import TrainedNetwork

    def refuse_if_stopped() -> None:
        if stop.is_set():
            raise TrainingStopped("stopped on request; what was exported is not used")

    def on_batch(done: int, total: int) -> None:
        refuse_if_stopped()
        events.report("step", step=done, steps=total)

    trained = TrainedNetwork.load(options.weights, options.threshold)
    refuse_other_classes(trained.classes, snapshot)
    written, refused = write_all(trained, options.out, refuse_if_stopped)
    agreements, failures = measure(trained, written, options.data, images_to_measure(snapshot, options.split), on_batch)
    reasons = {name: disagreement(agreement) for name, agreement in agreements.items()}
    refused |= failures | {name: reason for name, reason in reasons.items() if reason}
    exported = tuple(
        ExportedFormat(name=name, agreement=agreement) for name, agreement in agreements.items() if name not in refused
    )
    result = Export(exported=exported, refused=refused)
    publish_bytes(options.out / files.EXPORT, result.model_dump_json(indent=1).encode())
    return {"exported": [one.name for one in exported], "refused": refused}


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
    """
    from tasks.training.worker.formats.measure import first_line
    from tasks.training.worker.formats.table import FORMATS

    loaded, refused = {}, {}
    for name, format_ in FORMATS.items():
        before_format()
        path = out / FORMAT_FILES[name]
        try:
            format_.write(trained, path)
            loaded[name] = format_.load(trained, path)
        except Exception as error:  # noqa: BLE001, the other formats may do
            refused[name] = f"it cannot be exported: {first_line(error)}"
    return loaded, refused


if __name__ == "__main__":
    leave(main())
