"""The images that a person named for ``nasflow detect``: on this machine, in zips, or in the store."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory

from tasks.detection.image_files import find_images
from tasks.detection.sources import Sources
from tasks.detection.store_images import image_entries, source_of
from tasks.errors import BadRequest
from tasks.labeling.formats import zips
from tasks.storage.keys import STORE_SCHEME
from tasks.storage.s3 import Store


@contextmanager
def open_images(names: Sequence[str]) -> Iterator[Sources]:
    """Find images. Those of zips are unpacked until the end of the block.

    Args:
        names: Files, folders, patterns, zips, and prefixes of the store as ``store://PREFIX``.

    Yields:
        The images, in the order of the names.

    Raises:
        BadExport: a zip is damaged, or has members that lead out of it.
        BadRequest: there is no such file, or no image.
    """
    with TemporaryDirectory(prefix="nasflow-") as scratch:
        yield _joined([_open(name, Path(scratch) / str(number)) for number, name in enumerate(names)])


def _open(name: str, scratch: Path) -> Sources:
    if name.startswith(STORE_SCHEME):
        return _in_store(name)
    path = Path(name)
    if path.suffix.lower() == ".zip" and path.is_file():
        zips.unpack(path, scratch)
        return find_images([str(scratch)])
    return find_images([name])


def _in_store(name: str) -> Sources:
    store, prefix = Store.from_environment(), name.removeprefix(STORE_SCHEME)
    entries = image_entries(store, prefix)
    if not entries:
        raise BadRequest(f"{name}: no images in the store below this prefix; correct it")
    return Sources(len(entries), [source_of(store, prefix, entry) for entry in entries])


def _joined(parts: Sequence[Sources]) -> Sources:
    images = chain.from_iterable(part.images for part in parts)
    return Sources(sum(part.count for part in parts), images, sum(part.others for part in parts))
