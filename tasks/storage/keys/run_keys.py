"""Keys of ``runs/``. The run key is the digest of the TrainingSpec."""

HOUSEKEEPING = "0" * 64
"""No digest is this: the run whose lease is held by who removes objects."""


def all_runs() -> str:
    """Prefix of all training runs."""
    return "runs/"


def run(run_key: str) -> str:
    """Prefix of a training run."""
    return f"{all_runs()}{run_key}/"


def run_spec(run_key: str) -> str:
    """The TrainingSpec of a run."""
    return f"{run(run_key)}spec.json"


def run_state(run_key: str) -> str:
    """The lease of a run, and its model once it is finished."""
    return f"{run(run_key)}state.json"


def run_waiting(run_key: str) -> str:
    """Empty; written by those who wait for the lease, to see that the store can be written."""
    return f"{run(run_key)}waiting"


def run_history(run_key: str, sha256: str) -> str:
    """The epochs of a finished run: by content, since two workers measure different times."""
    return f"{run(run_key)}history/{sha256[:16]}-history.jsonl"


def run_weights(run_key: str, sha256: str) -> str:
    """The best weights of a finished run: by content, so that none is overwritten."""
    return f"{run(run_key)}weights/{sha256[:16]}-best.safetensors"


def checkpoints(run_key: str) -> str:
    """Prefix of a run's checkpoints."""
    return f"{run(run_key)}checkpoints/"


def checkpoint_file(run_key: str, epochs_done: int, sha256: str, name: str) -> str:
    """A file of one checkpoint.

    Args:
        run_key: Digest of the TrainingSpec.
        epochs_done: Whole epochs that the checkpoint holds.
        sha256: SHA-256 of the file.
        name: Name of the file in the run's folder.

    Returns:
        The key: epochs have a fixed width, so that keys sort by epoch; it names the content, so that no file is
        overwritten.
    """
    return f"{checkpoints(run_key)}{epochs_done:06d}/{sha256[:16]}-{name}"


def checkpoint_manifest(run_key: str, epochs_done: int) -> str:
    """The manifest that makes a checkpoint exist."""
    return f"{checkpoints(run_key)}{epochs_done:06d}/manifest.json"


def detections(run_key: str, snapshot_digest: str, sha256: str) -> str:
    """Detections of a run's best weights on one split of a snapshot.

    Args:
        run_key: Digest of the TrainingSpec.
        snapshot_digest: Digest of the snapshot.
        sha256: SHA-256 of the detections.

    Returns:
        The key: it names the content, so that no file is overwritten.
    """
    return f"{run(run_key)}detections/{snapshot_digest}-{sha256[:16]}.json"


def detection_result(run_key: str, snapshot_digest: str, weights_sha256: str, split: str, scoring: int) -> str:
    """The DetectionResult of a run's best weights: which detections are those of a split, and the speed.

    Args:
        run_key: Digest of the TrainingSpec.
        snapshot_digest: Digest of the snapshot.
        weights_sha256: SHA-256 of the weights.
        split: The measured split.
        scoring: Number of the scoring; 0 has no place in keys, since it had none when they were written.

    Returns:
        The key.
    """
    number = f"-scoring-{scoring}" if scoring else ""
    return f"{run(run_key)}detections/{snapshot_digest}-{weights_sha256[:16]}-{split}{number}.json"
