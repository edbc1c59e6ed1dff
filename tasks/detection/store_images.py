"""Images of a store, below a prefix."""

from functools import partial
from pathlib import PurePosixPath

from tasks.detection.preprocess import DecodedImage
from tasks.detection.sources import Decode, Source
from tasks.errors import NotInStore
from tasks.images.decoding import UnreadableImage
from tasks.images.file_kinds import IMAGE_SUFFIXES
from tasks.storage.keys import all_detections
from tasks.storage.s3 import Store
from tasks.storage.s3_objects import Entry


def image_entries(store: Store, prefix: str) -> list[Entry]:
    """The objects below a prefix whose names are those of images, in the order of their keys, but no drawn ones."""
    return [
        entry
        for entry in store.entries(prefix)
        if PurePosixPath(entry.key).suffix.lower() in IMAGE_SUFFIXES and not entry.key.startswith(all_detections())
    ]


def source_of(store: Store, prefix: str, entry: Entry) -> Source:
    """An object as an image, named by its key below the prefix.

    Args:
        store: Its store.
        prefix: The prefix.
        entry: The object.

    Returns:
        The image.
    """
    name = entry.key.removeprefix(prefix).strip("/") or PurePosixPath(entry.key).name
    return Source(name, partial(_load, store, entry.key))


def _load(store: Store, key: str, decode: Decode) -> DecodedImage:
    try:
        data, _ = store.get(key)
    except NotInStore:
        raise UnreadableImage("removed from the store meanwhile") from None
    return decode(data)
