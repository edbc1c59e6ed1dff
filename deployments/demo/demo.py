"""``nasflow demo``: the whole chain on images that it draws itself, on real servers in one folder."""

import time
from pathlib import Path
from typing import Any

from deployments.demo.cartoons import draw_export, draw_images
from deployments.local_stack.stack import Stack
from deployments.local_stack.up import run_until_interrupted
from deployments.remote import requests
from deployments.remote.models import find_model_version, save_weights
from deployments.terminal.console import say
from tasks.records import DetectOptions, RetrainRequest
from tasks.storage.s3 import Store

REQUEST: dict[str, Any] = {
    "project": "cartoon-cats-and-dogs",
    "variant": "s",
    "epochs": 30,
    "image_size": 160,
    "batch_size": 8,
    "learning_rate": 2e-3,
    "patience": 30,
    "augmentation": "light",
}
"""Small enough for two processor cores and a few minutes, long enough for a score that means something.
The augmentation does not scale images: drawn animals come in all sizes, and are learned sooner without it."""
NEW_IMAGES = 3


def demo(folder: Path, seed: int, *, keep: bool) -> dict[str, Any]:
    """Run the demo in a folder.

    Args:
        folder: Folder that keeps everything.
        seed: Seed of the images and of the training.
        keep: Whether the stack runs on until Ctrl-C.

    Returns:
        The outcome of the run as ``retrain`` gives it, what the champion detected on new images, the seconds of all
        steps, and the address of Prefect's UI.
    """
    start = time.monotonic()
    export = _draw_labels(folder, seed)
    drawn = time.monotonic()
    with Stack(folder, say) as stack:
        say(f"Prefect: {stack.ui}")
        stack_up = time.monotonic()
        outcome = requests.retrain(RetrainRequest(**REQUEST, seed=seed), export, wait=True, out=folder)
        steps = {"draw images": drawn - start, "start the stack": stack_up - drawn, **outcome["steps"]}
        retrained = time.monotonic()
        outcome["detected"] = _detect_on_new_images(folder, seed)
        steps["detect on new images"] = time.monotonic() - retrained
        outcome["steps"] = {name: round(seconds, 1) for name, seconds in steps.items()}
        document = {"ok": True, "total_seconds": round(time.monotonic() - start, 1), **outcome, "ui": stack.ui}
        document["model"]["file"] = _save_weights(document["model"], folder)
        if keep:
            say(f"report: {document['report']}; the stack runs on at {stack.ui}, Ctrl-C ends it")
            run_until_interrupted(stack)
    return document


def _draw_labels(folder: Path, seed: int) -> Path:
    """The export of this seed, drawn unless an earlier demo in the folder did."""
    export = folder / f"labels-{seed}"
    if not export.exists():
        say("drawing labelled images of cats and dogs")
        unfinished = folder / f".labels-{seed}.tmp"
        draw_export(unfinished, seed)
        unfinished.rename(export)
    return export


def _detect_on_new_images(folder: Path, seed: int) -> dict[str, Any]:
    """Detect with the champion on images that it has not seen."""
    from deployments.offline.detect import detect

    images = folder / f"new-images-{seed}"
    draw_images(images, seed, NEW_IMAGES)
    detected = detect(REQUEST["project"], [str(images)], folder / "detections", DetectOptions())
    return {name: detected[name] for name in ("model", "images", "detections", "per_class", "device", "out")}


def _save_weights(model: dict[str, Any], folder: Path) -> str:
    store = Store.from_environment()
    return save_weights(store, find_model_version(store, model["project"], str(model["version"])), folder)
