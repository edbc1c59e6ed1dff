"""Initial weights of a run: checked before training is asked for, and fetched to the machine that trains.

What is in the files is up to the trainer.
"""

from pathlib import Path

from tasks.errors import BadRequest, BadWeights, CorruptObject, NotInStore
from tasks.local.files import file_sha256
from tasks.records import StoredFile, TrainJob
from tasks.storage.keys import STORE_SCHEME
from tasks.storage.s3 import Store

MIN_BYTES = 10_000_000
"""YOLO-NAS S has 19 million parameters: a smaller file is a model card, a pointer, or a login page."""


def require_in_store(store: Store, job: TrainJob) -> None:
    """Check with one request that a job's weights are in the store, if the job names a key.

    Raises:
        BadRequest: there is no such object, or it is too small to be weights.
    """
    if not job.weights.startswith(STORE_SCHEME):
        return
    key = job.weights.removeprefix(STORE_SCHEME)
    try:
        size = store.size(key)
    except NotInStore as error:
        raise BadRequest(f"weights {job.weights}: {error}") from None
    if size < MIN_BYTES:
        raise BadRequest(
            f"weights {job.weights}: {size} bytes are no YOLO-NAS, which has more than {MIN_BYTES}; "
            "check the key, or upload the file again"
        )


def fetch_weights(store: Store, job: TrainJob, folder: Path) -> Path | None:
    """Fetch a job's initial weights to this machine.

    Args:
        store: The object store, for weights that are named by key.
        job: The job, which names the weights and their SHA-256.
        folder: Folder that keeps fetched files by content.

    Returns:
        The weights file; None for random weights.

    Raises:
        BadWeights: there is no such file, or it has another SHA-256.
    """
    sha256 = job.spec.weights_sha256
    if sha256 is None:
        return None
    if not job.weights.startswith(STORE_SCHEME):
        return _local_file(Path(job.weights), sha256)
    key = job.weights.removeprefix(STORE_SCHEME)
    try:
        return fetch_file(store, key, sha256, folder)
    except NotInStore as error:
        raise BadWeights(f"weights {job.weights}: {error}") from None
    except CorruptObject as error:
        # Its remedy, to delete the object, is for objects that nasflow wrote.
        problem = str(error).partition(";")[0]
        raise BadWeights(f"weights {job.weights}: {problem}; check the key, or correct weights_sha256") from None


def fetch_file(store: Store, key: str, sha256: str, folder: Path) -> Path:
    """Fetch a weights file, unless ``folder`` has it; a damaged one is replaced.

    Args:
        store: The object store.
        key: Key of the file.
        sha256: SHA-256 that it must have.
        folder: Folder that keeps fetched files by content.

    Returns:
        The file in the folder.

    Raises:
        NotInStore: there is no such object.
        CorruptObject: it has another SHA-256.
    """
    path = folder / f"{sha256}{Path(key).suffix}"
    if not path.exists() or file_sha256(path) != sha256:
        store.download(StoredFile(key=key, sha256=sha256, size=store.size(key)), path)
    return path


def _local_file(path: Path, sha256: str) -> Path:
    try:
        actual = file_sha256(path)
    except OSError as error:
        raise BadWeights(
            f"weights {path}: {error.strerror} on this worker; correct the path, or use a {STORE_SCHEME} key"
        ) from None
    if actual != sha256:
        raise BadWeights(
            f"weights {path}: SHA-256 is {actual}, expected {sha256}; fetch the file again, or correct weights_sha256"
        )
    return path
