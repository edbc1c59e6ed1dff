"""What checkpoints cost, compared with super-gradients: how long the training loop waits for them, and bytes written.

Run it with ``python -m tests.benchmarks.bench_checkpoint``. Both train YOLO-NAS-S from scratch on the demo's cartoons,
each in a process of its own, with their default checkpoints: super-gradients writes last and best after each epoch,
ours everything once a minute, so it trains four times the epochs. Our stall is the sum of ``seconds`` of our
``checkpoint`` events as a fraction of the epochs' seconds (training and validation); the longest one is also given as a
fraction of one epoch. ``outside epochs`` is all our time between the first step and the end that is in no epoch, stall
or not, so that no stall can hide. The stall of super-gradients is the time in its ``_save_checkpoint``. Bytes are what
the processes passed to write calls, per epoch; a hard link costs nothing there.
"""

import argparse
import json
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tests.benchmarks.peers import contestants
from tests.benchmarks.peers.images import write_images
from tests.benchmarks.peers.jobs import Job

TARGET = 0.02
"""Maximum fraction of an epoch that saving may take."""
EPOCHS_FACTOR = 4
"""Ours trains so many times the epochs of super-gradients, to take more than a minute."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, value in {"epochs": 5, "images": 96, "valid": 30, "size": 160, "batch": 8}.items():
        parser.add_argument(f"--{name}", type=int, default=value, help=f"default {value}")
    options = parser.parse_args()
    print(contestants.machine())
    print(
        f"{options.images} + {options.valid} images of {options.size} px, batch {options.batch}, "
        f"{options.epochs} epochs",
        flush=True,
    )
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        write_images(Path(name), options.images, options.valid)

        def job(contestant: str, epochs: int) -> Job:
            return Job(name, str(Path(name) / contestant), "yolo_nas_s", options.size, options.batch, epochs, 2e-3)

        their_job, our_job = job("peer", options.epochs), job("ours", options.epochs * EPOCHS_FACTOR)
        theirs = contestants.SUPER_GRADIENTS.train(their_job)
        their_stall = theirs.report["save_seconds"] / theirs.report["epoch_seconds"]
        print_run("super-gradients", theirs, options.epochs, their_stall)
        print_files((their_job.folder / "checkpoints").rglob("*.pth"))
        ours = contestants.NASFLOW.train(our_job)
        events = [json.loads(line) for line in (our_job.folder / "events.jsonl").read_text().splitlines()]
        our_stall = stall(events)
        print_run("nasflow", ours, our_job.epochs, our_stall)
        print_files((our_job.folder / "run").iterdir())
    bytes_ratio = ours.written_bytes / EPOCHS_FACTOR / max(1, theirs.written_bytes)
    print(
        f"nasflow           outside epochs {outside_epochs(events):.1%} of them; "
        f"writes {bytes_ratio:.2f} of super-gradients' bytes"
    )
    verdict = "not measured, nothing was saved"
    if our_stall is not None:
        verdict = "met" if our_stall <= TARGET else "MISSED"
        print(f"                  the longest stall took {longest_stall(events):.2%} of an epoch")
    print(f"target stall <= {TARGET:.0%} of an epoch: {verdict}")


def epoch_seconds(events: list[dict[str, Any]]) -> float:
    return sum(event["seconds"] for event in events if event["event"] == "epoch")


def stalls(events: list[dict[str, Any]]) -> list[float]:
    return [event["seconds"] for event in events if event["event"] == "checkpoint"]


def stall(events: list[dict[str, Any]]) -> float | None:
    """Fraction of the epochs' time that the loop waited for saving; None if nothing was saved."""
    return sum(stalls(events)) / epoch_seconds(events) if stalls(events) else None


def longest_stall(events: list[dict[str, Any]]) -> float:
    """The longest stall as a fraction of the mean epoch."""
    epochs = sum(event["event"] == "epoch" for event in events)
    return max(stalls(events)) * epochs / epoch_seconds(events)


def outside_epochs(events: list[dict[str, Any]]) -> float:
    """Time between start and end that is in no epoch, as a fraction of the epochs'."""
    [start], [end] = ([e["time"] for e in events if e["event"] == name] for name in ("started", "finished"))
    return (end - start) / epoch_seconds(events) - 1


def print_run(name: str, run: contestants.Run, epochs: int, stalled: float | None) -> None:
    stall_text = "      -" if stalled is None else f"{stalled:7.2%}"
    print(f"{name:17} stall {stall_text} of an epoch, {run.written_bytes / epochs / 1e6:7.1f} MB written an epoch")


def print_files(paths: Iterable[Path]) -> None:
    """Print the large files that a run leaves; hard links are marked."""
    for path in sorted(paths):
        if path.is_file() and path.stat().st_size > 1e6:
            linked = ", linked" if path.stat().st_nlink > 1 else ""
            print(f"    {path.name:22} {path.stat().st_size / 1e6:7.1f} MB{linked}", flush=True)


if __name__ == "__main__":
    main()
