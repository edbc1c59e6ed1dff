"""``nasflow suggest``: chooses what to label next, shows it, and sends it to Roboflow if that is asked for."""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from deployments.offline.detect import find_model_file
from deployments.offline.image_inputs import open_images
from deployments.offline.labelled_images import LabelledImages, labelled_images
from deployments.offline.send import Sending, open_sending, send_all
from deployments.terminal.console import progress_bar, say, show_on
from tasks.detection.candidates import Looked, look_at
from tasks.detection.chosen_images import ANNOTATED, IMAGES, THUMBNAILS, jpeg_name, write_chosen
from tasks.detection.detector import Detector
from tasks.detection.model_file import is_model_file
from tasks.detection.runtimes import Runtime, load
from tasks.detection.sources import Sources
from tasks.labeling.roboflow.upload import safe_file_name
from tasks.local.output_folder import Outputs, output_folder
from tasks.records import Choice, SuggestOptions
from tasks.storage.s3 import Store
from tasks.suggestion.choice import choose
from tasks.suggestion.measures import FLOOR, ModelFacts
from tasks.suggestion.page.page import PageFacts, suggestions_page
from tasks.suggestion.sent_images import FOLDER as SENT
from tasks.suggestion.table import write_table

SUGGESTIONS, TABLE, INDEX = "suggestions.json", "suggestions.csv", "index.html"
OUTPUTS = Outputs("suggest", (IMAGES, ANNOTATED, THUMBNAILS, SUGGESTIONS, TABLE, INDEX), kept=(SENT,))


@dataclass(frozen=True)
class Chosen:
    """What a run has chosen."""

    model: str
    classes: Sequence[str]
    facts: ModelFacts
    looked: Looked
    choice: Choice

    @property
    def files(self) -> list[str]:
        """Name of the file of each chosen image; a frame of a video is a JPEG by its name."""
        return [safe_file_name(one.candidate.image, one.candidate.sha256) for one in self.choice.suggestions]


def suggest(
    model: str, images: Sequence[str], out: Path, options: SuggestOptions, upload: str | None = None
) -> dict[str, Any]:
    """Choose what to label next, publish it in a folder, and send it if that is asked for.

    Args:
        model: ``PROJECT``, ``PROJECT/VERSION``, ``PROJECT@ALIAS``, or an ONNX file.
        images: Files, folders, patterns, zips and prefixes of the store.
        out: Folder for the results.
        options: How the model is used, and how many images are chosen.
        upload: ``WORKSPACE/PROJECT`` of Roboflow; None to send nothing.

    Returns:
        What was chosen and sent, as JSON would have it; ``ok`` says whether every image could be read.

    Raises:
        BadInput: there is no such model, image or project, or the folder cannot be used.
        RoboflowRefused: Roboflow does not take an image.
        RoboflowUnavailable: Roboflow does not answer.
    """
    with open_images(images) as sources, TemporaryDirectory(prefix="nasflow-") as scratch:
        if sources.others:
            say(f"{sources.others} other files are neither images nor videos, and are left out")
        path, name = find_model_file(model, Path(scratch), options.precision)
        runtime = load(path, precision=options.precision)
        store = None if is_model_file(model) else Store.from_environment()
        sending = open_sending(upload, store, out) if upload else None
        with output_folder(out, OUTPUTS) as folder:
            labels = labelled_images(store, name) if store else LabelledImages()
            looked, facts = _look(runtime, sources, options, labels)
            seen = [*labels.images, *(sending.seen if sending else ())]
            choice = choose(looked.candidates, seen, facts, options.budget)
            chosen = Chosen(name, runtime.model.classes, facts, looked, choice)
            write_results(chosen, images, folder)
    sent = _send(sending, chosen, out / IMAGES) if sending else None
    return _document(chosen, out, sent)


def _send(sending: Sending, chosen: Chosen, folder: Path) -> dict[str, Any]:
    batch = f"nasflow-{chosen.model}"
    return send_all(sending, chosen.choice, chosen.facts.threshold, folder, chosen.files, batch)


def _look(
    runtime: Runtime, sources: Sources, options: SuggestOptions, labels: LabelledImages
) -> tuple[Looked, ModelFacts]:
    threshold = runtime.model.threshold if options.threshold is None else options.threshold
    detector = Detector(runtime, FLOOR * threshold, options.tile)
    with progress_bar(f"{sources.count} images") as bar:
        return look_at(detector, sources, show_on(bar.show)), ModelFacts(threshold, labels.boxes)


def write_results(chosen: Chosen, images: Sequence[str], folder: Path) -> None:
    """Write the files of the chosen images, the choice as JSON and CSV, and the gallery.

    Args:
        chosen: What was chosen.
        images: All images, as they were named.
        folder: An empty folder.

    Raises:
        BadRequest: an image is not what it was before.
    """
    suggestions, files = chosen.choice.suggestions, chosen.files
    by_position = {one.candidate.position: (one.candidate, file) for one, file in zip(suggestions, files, strict=True)}
    with open_images(images) as sources, progress_bar("chosen images") as bar:
        write_chosen(sources, by_position, chosen.classes, chosen.facts.threshold, folder, show_on(bar.show))
    entries = [
        {**one.model_dump(mode="json"), "file": f"{IMAGES}/{file}"}
        for one, file in zip(suggestions, files, strict=True)
    ]
    content = {
        "model": chosen.model, "threshold": chosen.facts.threshold, "suggestions": entries,
        "left_out": [one.model_dump(mode="json") for one in chosen.choice.left_out], "failed": _failed(chosen),
    }  # fmt: skip
    (folder / SUGGESTIONS).write_text(json.dumps(content, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    write_table(folder / TABLE, suggestions, files)
    annotated, thumbnails = ([f"{name}/{jpeg_name(file)}" for file in files] for name in (ANNOTATED, THUMBNAILS))
    page = suggestions_page(chosen.choice, annotated, thumbnails, _page_facts(chosen))
    (folder / INDEX).write_text(page, encoding="utf-8")


def _page_facts(chosen: Chosen) -> PageFacts:
    threshold = chosen.facts.threshold
    sentences = [
        f"Boxes are those of the model from its threshold {threshold:g} on. The score is the mean of uncertainty, "
        "unlikeness and rarity, each from 0 to 1."
    ]
    if chosen.facts.boxes is None:
        sentences.append("The labels that the model was trained on are not at hand: rarity is not measured.")
    failed = [(one.image, one.why) for one in chosen.looked.failed]
    return PageFacts(f"What to label next for {chosen.model}", sentences, threshold, failed, (SUGGESTIONS, TABLE))


def _failed(chosen: Chosen) -> list[dict[str, str]]:
    return [{"image": one.image, "why": one.why} for one in chosen.looked.failed]


def _document(chosen: Chosen, out: Path, sent: dict[str, Any] | None) -> dict[str, Any]:
    reasons = Counter(one.reason for one in chosen.choice.left_out)
    return {
        "ok": not chosen.looked.failed,
        "model": chosen.model,
        "images": len(chosen.looked.candidates),
        "suggested": len(chosen.choice.suggestions),
        "left_out": dict(sorted(reasons.items())),
        "failed": _failed(chosen),
        "rotated": sum(one.candidate.rotated for one in chosen.choice.suggestions),
        "threshold": chosen.facts.threshold,
        "labels_at_hand": chosen.facts.boxes is not None,
        "sent": sent,
        "out": str(out.absolute()),
    }
