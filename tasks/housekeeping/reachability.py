"""What nothing needs any more. Pure: from what the store has to what can be removed.

These are needed, and what they refer to:

- published versions: their run with its evaluation, their labels
- runs that are not finished, whoever works on them or went away: the same request goes on from their checkpoint
- whatever is young, since a run may be about to refer to it: runs, snapshots, images, exports, published weights
- runs, images and published weights that a needed run started from
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import timedelta

from tasks.housekeeping.contents import SHA256, Contents, Run
from tasks.storage import keys
from tasks.storage.s3 import OpenUpload
from tasks.storage.s3_objects import Entry

ImagesOf = Callable[[Iterable[str]], set[str]]
"""Gives the SHA-256 of all images of snapshots."""


@dataclass(frozen=True)
class Removable:
    """What can be removed."""

    runs: tuple[Run, ...] = ()
    checkpoints: tuple[Run, ...] = ()
    """Needed runs that are finished, and still have checkpoints."""
    evaluations: tuple[Entry, ...] = ()
    """Of needed runs, on labels that are not needed."""
    snapshots: tuple[Entry, ...] = ()
    blobs: tuple[Entry, ...] = ()
    pretrained: tuple[Entry, ...] = ()
    probes: tuple[Entry, ...] = ()
    uploads: tuple[OpenUpload, ...] = ()
    unfinished: tuple[Run, ...] = ()
    """Not removable, but old."""


def find_removable(contents: Contents, older_than: timedelta, images_of: ImagesOf) -> Removable:
    """Find what nothing needs any more.

    Args:
        contents: What the store has.
        older_than: Age up to which everything is needed.
        images_of: Gives the images of snapshots.

    Returns:
        What can be removed.
    """
    limit = contents.now - older_than
    young = {run.key for run in contents.runs if run.modified > limit and not run.is_half_removed}
    needed = _needed_runs(contents, young)
    kept_runs = [run for run in contents.runs if run.key in needed]
    evaluations = [item for run in kept_runs for item in _evaluations(run).items()]
    young_labels = {digest for digest, entries in evaluations if any(entry.modified > limit for entry in entries)}
    labels = (
        young_labels
        | {card.snapshot_digest for card in contents.cards}
        | {run.spec.snapshot_digest for run in kept_runs if run.spec}
        | {digest for digest, entry in contents.snapshots.items() if entry.modified > limit}
    )
    start_weights = _start_weights(kept_runs)
    images = images_of(labels) | start_weights
    return Removable(
        runs=tuple(run for run in contents.runs if run.key not in needed),
        checkpoints=tuple(run for run in kept_runs if run.is_finished and run.below("checkpoints")),
        evaluations=tuple(entry for digest, entries in evaluations if digest not in labels for entry in entries),
        snapshots=tuple(entry for digest, entry in contents.snapshots.items() if digest not in labels),
        blobs=tuple(e for sha256, e in contents.blobs.items() if sha256 not in images and e.modified <= limit),
        pretrained=tuple(
            entry
            for sha256, entries in contents.pretrained.items()
            if sha256 not in start_weights and all(entry.modified <= limit for entry in entries)
            for entry in entries
        ),
        probes=tuple(entry for entry in contents.probes if entry.modified <= limit),
        uploads=tuple(upload for upload in contents.uploads if upload.begun <= limit),
        unfinished=tuple(run for run in kept_runs if run.is_unfinished and run.modified <= limit),
    )


def _needed_runs(contents: Contents, young: set[str]) -> set[str]:
    """Keys of the runs that are needed, with those that they started from."""
    needed = young | {card.run_key for card in contents.cards} | {run.key for run in contents.runs if run.is_unfinished}
    while True:
        weights = {sha256[:16] for sha256 in _start_weights(run for run in contents.runs if run.key in needed)}
        origins = {run.key for run in contents.runs if run.weights & weights}
        if origins <= needed:
            return needed
        needed |= origins


def _start_weights(runs: Iterable[Run]) -> set[str]:
    """SHA-256 of the weights that runs started from: they may be those of another run, or a blob."""
    return {run.spec.weights_sha256 for run in runs if run.spec and run.spec.weights_sha256}


def _evaluations(run: Run) -> dict[str, list[Entry]]:
    """The objects of a run's evaluations on later labels, by the digest of the labels."""
    found: dict[str, list[Entry]] = {}
    for entry in run.below("detections"):
        if match := re.match(rf"({SHA256})[/-]", entry.key.removeprefix(f"{keys.run(run.key)}detections/")):
            found.setdefault(match[1], []).append(entry)
    return found
