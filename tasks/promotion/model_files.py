"""The files of a version: each format with the version that it is published as, ready to be uploaded."""

import shutil
from pathlib import Path

from tasks.records import FORMAT_FILES, ModelFormat
from tasks.storage.s3 import Store


def fetch_formats(store: Store, formats: tuple[ModelFormat, ...], folder: Path) -> dict[str, Path]:
    """Fetch the files of a run.

    Args:
        store: The object store.
        formats: The formats.
        folder: Folder for the files.

    Returns:
        The files by format.
    """
    paths = {one.name: folder / FORMAT_FILES[one.name] for one in formats}
    for one in formats:
        store.download(one.file, paths[one.name])
    return paths


def with_version(path: Path, project: str, version: int) -> Path:
    """Make a file that names the version it is published as; formats without metadata stay as they are.

    Args:
        path: The file of the run, which many versions may have.
        project: Project of the model.
        version: Number of the version.

    Returns:
        The file to publish.
    """
    if path.suffix != ".onnx":
        return path
    published = path.with_name(f"{version}-{path.name}")
    shutil.copyfile(path, published)
    with published.open("ab") as file:
        file.write(onnx_metadata({"project": project, "version": str(version)}))
    return published


def onnx_metadata(values: dict[str, str]) -> bytes:
    """Metadata as bytes that can be put at the end of an ONNX file.

    An ONNX file is a protobuf message. In such, messages put one after the other are one message with the fields of
    both. Metadata are the repeated field 14, with a key in field 1 and a value in field 2.
    """
    entries = (_field(1, key.encode()) + _field(2, value.encode()) for key, value in values.items())
    return b"".join(_field(14, entry) for entry in entries)


def _field(number: int, content: bytes) -> bytes:
    """A field with a length: its tag, the length, the content."""
    return bytes([number << 3 | 2]) + _varint(len(content)) + content


def _varint(value: int) -> bytes:
    low, rest = value & 0x7F, value >> 7
    return bytes([low | 0x80]) + _varint(rest) if rest else bytes([low])
