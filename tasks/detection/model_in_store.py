"""The file of a published model on this machine: from the cache of this machine, verified each time."""

from functools import partial
from pathlib import Path

from tasks.detection.runtimes import default_runtime
from tasks.errors import BadInput
from tasks.local.processor import processor_name
from tasks.records import DetectionPrecision, ModelVersion, StoredFile
from tasks.settings import WorkSettings
from tasks.storage.blob_cache import BlobCache
from tasks.storage.s3 import Store


def fetch_model(
    store: Store,
    version: ModelVersion,
    settings: WorkSettings,
    scratch: Path,
    precision: DetectionPrecision | None = None,
) -> Path:
    """Put the file that detection uses into a folder; it is fetched once, and then comes from the cache.

    Args:
        store: The store that the version is in.
        version: The published version.
        settings: Settings of this machine.
        scratch: The folder.
        precision: Number format that is asked for; None for what is fastest.

    Returns:
        The file.

    Raises:
        BadInput: the version has no such file.
        CorruptObject: what the store has is not what was published.
    """
    stored, path, cache = choose_file(version, precision), scratch / "model.onnx", BlobCache.of(settings)
    cache.place(stored.sha256, stored.size, path, partial(store.download, stored))
    cache.shrink()
    return path


def choose_file(version: ModelVersion, precision: DetectionPrecision | None) -> StoredFile:
    """Choose the file of a version that detection uses: in int8 where that was measured to be faster on this processor.

    Args:
        version: The published version.
        precision: Number format that is asked for; None for what is fastest.

    Returns:
        The file.

    Raises:
        BadInput: the version has no such file.
    """
    if precision is None:
        for one in version.formats:
            if one.speed and one.speed.gains_on(default_runtime(), processor_name()):
                return one.file
    if file := version.files.get("onnx"):
        return file
    reason = version.formats_refused.get("onnx")
    why = f"onnx was not published, since {reason}" if reason else "it has no file of format onnx"
    raise BadInput(f"{version.project} version {version.version}: {why}; there is {', '.join(version.files)}")
