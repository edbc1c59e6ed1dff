"""Weights to start from: looked for before anybody trains, and brought to the machine that does.

What is in them is the trainer's matter.
"""

from pathlib import Path

from tasks.errors import BadRequest, BadWeights, CorruptObject, NotInStore
from tasks.local.files import file_sha256
from tasks.records import StoredFile, TrainJob
from tasks.storage.keys import STORE_SCHEME
from tasks.storage.s3 import Store

SMALLEST_BYTES = 10_000_000
"""YOLO-NAS S has 19 million numbers: what is smaller is a card, a pointer, or the page of a login."""


def require_in_store(store: Store, job: TrainJob) -> None:
    """Look for a job's weights in the store, if they shall be there; costs one request.

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
    if size < SMALLEST_BYTES:
        raise BadRequest(
            f"weights {job.weights}: {size} bytes are no YOLO-NAS, which has more than {SMALLEST_BYTES}; "
            "check the key, or upload the file again"
        )


def fetch_weights(store: Store, job: TrainJob, folder: Path) -> Path | None:
    """The file to start from, on this machine and with the content that the job names; None for random weights.

    Args:
        store: Where weights named by key are.
        job: Names the weights.
        folder: Keeps what was fetched, by content.

    Raises:
        BadWeights: there is none, or it has another SHA-256.
    """
    sha256 = job.spec.weights_sha256
    if sha256 is None:
        return None
    if not job.weights.startswith(STORE_SCHEME):
        return _file_here(Path(job.weights), sha256)
    key = job.weights.removeprefix(STORE_SCHEME)
    try:
        return fetch_file(store, key, sha256, folder)
    except NotInStore as error:
        raise BadWeights(f"weights {job.weights}: {error}") from None
    except CorruptObject as error:
        # Its remedy, to delete the object, is for those that nasflow wrote.
        found = str(error).partition(";")[0]
        raise BadWeights(f"weights {job.weights}: {found}; check the key, or correct weights_sha256") from None


def fetch_file(store: Store, key: str, sha256: str, folder: Path) -> Path:
    """A weights file of the store in ``folder``, which keeps it by content; one that was damaged there is replaced.

    Raises:
        NotInStore, CorruptObject: as the store.
    """
    path = folder / f"{sha256}{Path(key).suffix}"
    if not path.exists() or file_sha256(path) != sha256:
        store.download(StoredFile(key=key, sha256=sha256, size=store.size(key)), path)
    return path


def _file_here(path: Path, sha256: str) -> Path:
    try:
        got = file_sha256(path)
    except OSError as error:
        raise BadWeights(
            f"weights {path}: {error.strerror} on this worker; correct the path, or use a {STORE_SCHEME} key"
        ) from None
    if got != sha256:
        raise BadWeights(
            f"weights {path}: SHA-256 is {got}, expected {sha256}; fetch the file again, or correct weights_sha256"
        )
    return path
