"""The file of a published model on this machine: from the cache of this machine, verified each time."""

from functools import partial
from pathlib import Path

from tasks.errors import BadInput
from tasks.records import ModelVersion, StoredFile
from tasks.settings import WorkSettings
from tasks.storage.blob_cache import BlobCache
from tasks.storage.s3 import Store


def fetch_model(store: Store, version: ModelVersion, settings: WorkSettings, scratch: Path) -> Path:
    """Put the file that detection uses into a folder; it is fetched once, and then comes from the cache.

    Args:
        store: The store that the version is in.
        version: The published version.
        settings: Settings of this machine.
        scratch: The folder.

    Returns:
        The file.

    Raises:
        BadInput: the version has no such file.
        CorruptObject: what the store has is not what was published.
    """
    stored, path, cache = choose_file(version), scratch / "model.onnx", BlobCache.of(settings)
    cache.place(stored.sha256, stored.size, path, partial(store.download, stored))
    cache.shrink()
    return path


def choose_file(version: ModelVersion) -> StoredFile:
    """Choose the file of a version that detection uses.

    Raises:
        BadInput: the version has no such file.
    """
    if file := version.files.get("onnx"):
        return file
    reason = version.formats_refused.get("onnx")
    why = f"onnx was not published, since {reason}" if reason else "it has no file of format onnx"
    raise BadInput(f"{version.project} version {version.version}: {why}; there is {', '.join(version.files)}")
