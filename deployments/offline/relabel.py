"""``nasflow relabel``: shows labels that a report suspects to be wrong, and gives their images back if asked to."""

import json
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from deployments.offline.give_back import give_back_all, open_giving_back
from deployments.remote.suspected_images import SuspectedLabels, fetch_image, find_suspected_labels
from deployments.terminal.console import progress_bar, show_on
from tasks.evaluation.report.relabel_page import relabel_page
from tasks.evaluation.report.suspected_errors import suspected_errors_csv
from tasks.evaluation.report.suspected_images import SuspectedImage, draw_suspected_image
from tasks.labeling.roboflow.upload import safe_name
from tasks.local.output_folder import Outputs, output_folder
from tasks.storage.s3 import Store

DRAWN, TABLE, DOCUMENT, INDEX = "images", "suspected_errors.csv", "relabel.json", "index.html"
OUTPUTS = Outputs("relabel", (DRAWN, TABLE, DOCUMENT, INDEX))


def relabel(model: str, out: Path, budget: int, upload: str | None = None) -> dict[str, Any]:
    """Show the images of suspected label errors in a folder, and give them back to labelling if that is asked for.

    Args:
        model: ``PROJECT``, ``PROJECT/VERSION`` or ``PROJECT@ALIAS``.
        out: Folder for the results.
        budget: Maximum number of images.
        upload: ``WORKSPACE/PROJECT`` of Roboflow; None to send nothing.

    Returns:
        What was found and given back, as JSON would have it; ``ok`` says whether all that was asked for was given back.

    Raises:
        BadInput: there is no such model or project, or the folder cannot be used.
        RoboflowRefused: Roboflow does not take an image.
        RoboflowUnavailable: Roboflow does not answer.
    """
    store = Store.from_environment()
    with TemporaryDirectory(prefix="nasflow-") as scratch:
        labels = find_suspected_labels(store, model, Path(scratch))
        giving_back = open_giving_back(upload, store, labels) if upload else None
        waiting = [one for one in labels.images if giving_back is None or not giving_back.has(one)]
        chosen = waiting[:budget]
        with output_folder(out, OUTPUTS) as folder:
            _write(store, labels, chosen, Path(scratch), folder)
        returned = give_back_all(giving_back, chosen, Path(scratch)) if giving_back else None
    return {
        "ok": returned is None or not returned["not_returned"],
        "model": labels.model,
        "measured_on": labels.measured_on,
        "images": len(labels.images),
        "chosen": len(chosen),
        "returned_before": len(labels.images) - len(waiting),
        "beyond_the_budget": len(waiting) - len(chosen),
        "errors": sum(len(one.errors) for one in chosen),
        "returned": returned,
        "out": str(out.absolute()),
    }


def _write(
    store: Store, labels: SuspectedLabels, images: Sequence[SuspectedImage], scratch: Path, folder: Path
) -> None:
    """Write the drawn images, the gallery and the tables."""
    (folder / DRAWN).mkdir()
    files = [f"{DRAWN}/{number:03d}-{_file_name(one)}.jpg" for number, one in enumerate(images, start=1)]
    with progress_bar("images to look at") as bar:
        show = show_on(bar.show)
        for done, (one, file) in enumerate(zip(images, files, strict=True), start=1):
            path = fetch_image(store, one, scratch)
            (folder / file).write_bytes(draw_suspected_image(one, labels.snapshot.classes, path))
            show(done, len(images))
    errors = [error for one in images for error in one.errors]
    (folder / TABLE).write_text(suspected_errors_csv(errors), encoding="utf-8")
    content = {
        "model": labels.model, "measured_on": labels.measured_on,
        "images": [
            {
                "image": one.labelled.file_name, "sha256": one.labelled.sha256, "file": file,
                "errors": [error.model_dump(mode="json", exclude={"file_name"}) for error in one.errors],
            }
            for one, file in zip(images, files, strict=True)
        ],
    }  # fmt: skip
    (folder / DOCUMENT).write_text(json.dumps(content, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    page = relabel_page(labels.model, labels.measured_on, images, files)
    (folder / INDEX).write_text(page, encoding="utf-8")


def _file_name(image: SuspectedImage) -> str:
    return safe_name(Path(image.labelled.file_name).stem)
