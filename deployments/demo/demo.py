"""The demo: the whole chain on images that it draws itself, on real servers in one folder."""

import time
from pathlib import Path
from typing import Any

from deployments.demo.cartoons import draw_export
from deployments.local_stack.stack import Stack
from deployments.remote import requests
from deployments.terminal.console import document, say
from tasks.records import RetrainRequest

PROJECT = "cartoon-cats-and-dogs"
REQUEST: dict[str, Any] = {
    "project": PROJECT,
    "variant": "s",
    "epochs": 30,
    "image_size": 160,
    "batch_size": 8,
    "learning_rate": 2e-3,
    "patience": 30,
    "augmentation": "light",
}
"""Small enough for two processor cores and a few minutes, long enough for a score that means something.
These images show all sizes that there are, and are learnt faster when they are not made larger and smaller."""


def demo(folder: Path, seed: int, *, keep: bool) -> dict[str, Any]:
    """Run the demo in a folder.

    Args:
        folder: Where everything is kept.
        seed: Of the images and of the training.
        keep: Leave the stack running until Ctrl-C.
    """
    began = time.monotonic()
    export = folder / f"labels-{seed}"
    if not export.exists():
        say("drawing labelled images of cats and dogs")
        aside = folder / f".labels-{seed}.tmp"
        draw_export(aside, seed)
        aside.rename(export)
    drawn = time.monotonic()
    with Stack(folder, say) as stack:
        say(f"Prefect: {stack.ui}")
        started = time.monotonic()
        request = RetrainRequest(**REQUEST, seed=seed)
        result = requests.retrain(request, export, wait=True, out=folder)
        steps = {"draw images": drawn - began, "start the stack": started - drawn, **result["steps"]}
        result["steps"] = {name: round(seconds, 1) for name, seconds in steps.items()}
        result = {"ok": True, "total_seconds": round(time.monotonic() - began, 1), **result}
        result["model"]["file"] = requests.fetch_weights(result["model"], folder)
        result["ui"] = stack.ui
        if keep:
            say(f"report: {result['report']}; the stack runs on at {stack.ui}, Ctrl-C ends it")
            run_until_interrupted(stack)
    return result


def up(folder: Path, *, as_json: bool) -> None:
    """The local stack in the foreground; as JSON, its addresses are one document on stdout once it is up."""
    with Stack(folder, say) as stack:
        if as_json:
            document({"ok": True, "ui": stack.ui, "api": f"{stack.ui}/api", "folder": str(stack.folder)})
        say(f"Prefect: {stack.ui}  (API {stack.ui}/api)")
        say(f"in another terminal: source {stack.folder}/env.sh, then nasflow retrain --export PATH")
        say(f"everything is in {stack.folder}; Ctrl-C ends it")
        run_until_interrupted(stack)


def run_until_interrupted(stack: Stack) -> None:
    """Wait for Ctrl-C or SIGTERM, looking after the stack's processes."""
    try:
        while True:
            stack.check()
            time.sleep(1)
    except KeyboardInterrupt:
        say("stopping")
