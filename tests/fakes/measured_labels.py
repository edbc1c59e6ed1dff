"""Labels on which models are trained, measured and exported already: a retrain run has nothing left to train."""

from pathlib import Path

from tasks.storage.s3 import Store
from tests.fakes.finished_runs import evaluated, exported, finished_run, stored_labels


def measured_labels(store: Store, folder: Path, *seeds: int) -> Path:
    """Put a finished run for each seed into a store, each with other weights and as good as the others.

    Args:
        store: The store.
        folder: For the labels and temporary files.
        seeds: Seeds that requests will name.

    Returns:
        The export that requests have to name, with no other settings.
    """
    snapshot = stored_labels(store, folder)
    for seed in seeds:
        exported(store, folder, evaluated(store, folder, snapshot, finished_run(store, folder, snapshot, seed), 0.5))
    return folder / "labels-1"
