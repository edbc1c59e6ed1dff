"""What checkpoints cost: how long our training loop stands still for them, and bytes written, beside super-gradients.

Run it with ``python -m tests.benchmarks.bench_checkpoint``. Both train YOLO-NAS-S from scratch on the demo's cartoons,
each in a process of its own, and save what they save by themselves: super-gradients last and best after each epoch,
ours all of it once a minute, for which it trains four times the epochs. The stall is the sum of ``seconds`` of our
``checkpoint`` events as a share of the epochs' seconds (training and validation); the longest one is beside one epoch,
too. ``outside epochs`` is all time of ours between the first step and the end that is in no epoch, stall or not, so no
stall can hide. Of super-gradients it is the time in its ``_save_checkpoint``. Bytes are what the processes handed to
write calls, over the epochs; a link costs nothing there.
"""

import argparse
import json
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tests.benchmarks.peers.images import write_images

from tests.benchmarks.peers import contestants as c
from tests.benchmarks.peers.jobs import Job

TARGET = 0.02
"""Largest share of an epoch that saving may take."""
LONGER = 4
"""Times the epochs of super-gradients that ours trains: more than a minute."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, value in {"epochs": 5, "images": 96, "valid": 30, "size": 160, "batch": 8}.items():
        parser.add_argument(f"--{name}", type=int, default=value, help=f"default {value}")
    given = parser.parse_args()
    print(c.machine())
    print(f"{given.images} + {given.valid} images of {given.size} px, batch {given.batch}, {given.epochs} epochs",
          flush=True)  # fmt: skip
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        write_images(Path(name), given.images, given.valid)

        def job(contestant: str, epochs: int) -> Job:
            return Job(name, str(Path(name) / contestant), "yolo_nas_s", given.size, given.batch, epochs, 2e-3)

        peer, ours = job("peer", given.epochs), job("ours", given.epochs * LONGER)
        theirs = c.SUPER_GRADIENTS.train(peer)
        tell("super-gradients", theirs, given.epochs, theirs.told["save_seconds"] / theirs.told["epoch_seconds"])
        tell_files((peer.folder / "checkpoints").rglob("*.pth"))
        run = c.NASFLOW.train(ours)
        events = [json.loads(line) for line in (ours.folder / "events.jsonl").read_text().splitlines()]
        share = stall(events)
        tell("nasflow", run, ours.epochs, share)
        tell_files((ours.folder / "run").iterdir())
    less = run.written_bytes / LONGER / max(1, theirs.written_bytes)
    print(
        f"nasflow           outside epochs {outside(events):.1%} of them; writes {less:.2f} of super-gradients' bytes"
    )
    verdict = "not measured, nothing was saved"
    if share is not None:
        verdict = "met" if share <= TARGET else "MISSED"
        print(f"                  the longest stall took {longest(events):.2%} of an epoch")
    print(f"target stall <= {TARGET:.0%} of an epoch: {verdict}")


def epoch_seconds(events: list[dict[str, Any]]) -> float:
    return sum(event["seconds"] for event in events if event["event"] == "epoch")


def stalls(events: list[dict[str, Any]]) -> list[float]:
    return [event["seconds"] for event in events if event["event"] == "checkpoint"]


def stall(events: list[dict[str, Any]]) -> float | None:
    """Share of the epochs' time that the loop stood still for saving; None if nothing was saved."""
    return sum(stalls(events)) / epoch_seconds(events) if stalls(events) else None


def longest(events: list[dict[str, Any]]) -> float:
    """The longest stall as a share of the mean epoch."""
    epochs = sum(event["event"] == "epoch" for event in events)
    return max(stalls(events)) * epochs / epoch_seconds(events)


def outside(events: list[dict[str, Any]]) -> float:
    """Time between start and end that is in no epoch, as a share of the epochs'."""
    [began], [ended] = ([e["time"] for e in events if e["event"] == name] for name in ("started", "finished"))
    return (ended - began) / epoch_seconds(events) - 1


def tell(name: str, run: c.Run, epochs: int, share: float | None) -> None:
    shown = "      -" if share is None else f"{share:7.2%}"
    print(f"{name:17} stall {shown} of an epoch, {run.written_bytes / epochs / 1e6:7.1f} MB written an epoch")


def tell_files(paths: Iterable[Path]) -> None:
    """The large files a run leaves; a name that is a link to another's bytes is marked."""
    for path in sorted(paths):
        if path.is_file() and path.stat().st_size > 1e6:
            linked = ", linked" if path.stat().st_nlink > 1 else ""
            print(f"    {path.name:22} {path.stat().st_size / 1e6:7.1f} MB{linked}", flush=True)


if __name__ == "__main__":
    main()
