"""Copying a published model to this machine."""

import re
from pathlib import Path
from typing import Any

from deployments.remote.models import find_named
from tasks.errors import BadInput
from tasks.local.files import file_sha256, publish_bytes
from tasks.records import ModelVersion, StoredFile
from tasks.storage.s3 import Store

LOADING = {
    "onnx": ("import onnxruntime", 'session = onnxruntime.InferenceSession("{file}")'),
    "onnx-nms": ("import onnxruntime", 'session = onnxruntime.InferenceSession("{file}")'),
    "onnx-int8": ("import openvino", 'model = openvino.Core().compile_model("{file}")'),
    "pth": (
        "from super_gradients.training import models",
        'network = models.get("yolo_nas_{variant}", num_classes={classes}, checkpoint_path="{file}")',
    ),
    "safetensors": ("from safetensors.torch import load_file", 'tensors = load_file("{file}")'),
}
"""Two lines of Python that load a file, by format."""


def pull_model(store: Store, model: str, format_name: str, out: Path | None) -> dict[str, Any]:
    """Copy one file of a published model and its card into a folder.

    Args:
        store: The store that it is in.
        model: ``PROJECT`` for the champion, ``PROJECT/VERSION`` or ``PROJECT@ALIAS``.
        format_name: Format of the file.
        out: The folder; None for one with the name of the version.

    Returns:
        Where the file and the card are, and how the file is loaded.

    Raises:
        BadInput: there is no such version or format, or the folder cannot be written.
    """
    card = find_named(store, model)
    stored = find_file(card, format_name)
    folder = out or Path(f"{card.project}-{card.version}")
    path, card_path = folder / file_name_of(stored), folder / "card.json"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not (path.is_file() and file_sha256(path) == stored.sha256):
            store.download(stored, path)
        publish_bytes(card_path, card.model_dump_json(indent=1).encode())
    except OSError as error:
        raise BadInput(f"--out {folder}: {error.strerror}; name a folder that can be written") from None
    file = str(path.absolute())
    values = {"file": file, "variant": card.variant, "classes": len(card.classes)}
    return {
        "ok": True,
        "project": card.project,
        "version": card.version,
        "format": format_name,
        "file": file,
        "card": str(card_path.absolute()),
        "bytes": stored.size,
        "sha256": stored.sha256,
        "threshold": card.scores.threshold,
        "load": [line.format(**values) for line in LOADING.get(format_name, ())],
    }


def find_file(card: ModelVersion, format_name: str) -> StoredFile:
    """Find the file of a version in a format.

    Args:
        card: The version.
        format_name: Name of the format.

    Returns:
        The file in the store.

    Raises:
        BadInput: the version does not have it; the message says why, where it is known.
    """
    if format_name in card.files:
        return card.files[format_name]
    reason = card.formats_refused.get(format_name)
    why = f"{format_name} was not published, since {reason}" if reason else f"no format {format_name}"
    raise BadInput(f"{card.project} version {card.version}: {why}; there is {', '.join(card.files)}")


def file_name_of(stored: StoredFile) -> str:
    """The file's name on this machine: that of its key, without the SHA-256."""
    return re.sub(r"^[0-9a-f]{16}-", "", Path(stored.key).name)
