"""Snapshots of labels in the store: images by content first, the manifest last."""

import math
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import TypeVar

from tasks.errors import BadExport, CorruptObject, LostRace, NotInStore
from tasks.local.dataset_folder import fill, image_path
from tasks.local.threads import in_context
from tasks.records import DatasetSnapshot, LabelledImage, SnapshotRef, StoredFile
from tasks.storage import keys
from tasks.storage.blob_cache import BlobCache
from tasks.storage.documents import create_record, read_record
from tasks.storage.s3 import Store
from tasks.storage.sweeps import undisturbed

OnProgress = Callable[[int, int], None]
"""Called with the images done and the images in all."""

THREADS = 8
"""Images transferred at a time: they are small, so most of the time goes by waiting for answers."""

HEADS_A_PAGE = 8
"""Requests for one image each that are worth one page of a listing, which says of a thousand whether they are there."""

T = TypeVar("T")


def save_snapshot(
    store: Store,
    snapshot: DatasetSnapshot,
    files: Mapping[str, Path],
    on_progress: OnProgress = lambda done, total: None,
) -> SnapshotRef:
    """Save a snapshot and its images; images that the store has already are not sent again.

    Args:
        store: The object store.
        snapshot: What to save.
        files: The image file of every SHA-256 that the snapshot names.
        on_progress: Called from this thread with the images done and the images in all.

    Returns:
        A reference to the snapshot.

    Raises:
        BadExport: a file is not the image that the snapshot names any more.
    """
    images = _unique(snapshot)

    def save() -> SnapshotRef:
        stored, are_all = _stored_images(store, len(images))
        missing = [image for image in images if image.sha256 not in stored]
        already_done = len(images) - len(missing)
        _in_threads(
            missing,
            lambda image: _save_image(store, image, files[image.sha256], is_new=are_all),
            lambda done, _: on_progress(already_done + done, len(images)),
        )
        return _write_manifest(store, snapshot)

    return undisturbed(store, save)


def save_manifest(store: Store, snapshot: DatasetSnapshot) -> SnapshotRef:
    """Save a snapshot whose images are all in the store, such as a part of a saved one."""
    return undisturbed(store, lambda: _write_manifest(store, snapshot))


def _write_manifest(store: Store, snapshot: DatasetSnapshot) -> SnapshotRef:
    """Write the manifest, or renew it. Whoever was first wrote the same images, classes and boxes."""
    key = keys.snapshot(snapshot.digest)
    while True:
        try:
            create_record(store, key, snapshot, indent=None)
        except LostRace:
            try:
                store.renew(key)
            except NotInStore:
                continue  # housekeeping has just removed it
        return SnapshotRef.of(snapshot)


def save_export(store: Store, archive: Path) -> StoredFile:
    """Save the zip of an export by its content. It is kept for as long as housekeeping keeps what nothing refers to."""

    def save() -> StoredFile:
        while True:
            stored = store.upload(archive, keys.blob, content_type="application/zip")
            try:
                store.renew(stored.key)
            except NotInStore:
                continue  # housekeeping has removed it since it was found
            return stored

    return undisturbed(store, save)


def reuse_export(store: Store, key: str) -> int:
    """The size of an export's zip in the store, which is used again and kept for as long as a new one.

    Raises:
        NotInStore: there is no such object.
    """

    def reuse() -> int:
        store.renew(key)
        return store.size(key)

    return undisturbed(store, reuse)


def load_snapshot(store: Store, digest: str) -> DatasetSnapshot:
    """The manifest of a snapshot.

    Raises:
        NotInStore: there is no such snapshot.
        CorruptObject: the manifest is not the one with this digest.
    """
    key = keys.snapshot(digest)
    snapshot, _ = read_record(store, key, DatasetSnapshot)
    if snapshot.digest != digest:
        raise CorruptObject(f"{store.uri(key)}: its digest is {snapshot.digest}; delete it and save the labels again")
    return snapshot


def fetch_dataset(
    store: Store,
    digest: str,
    folder: Path,
    cache: BlobCache,
    on_progress: OnProgress = lambda done, total: None,
) -> DatasetSnapshot:
    """Bring a snapshot and its images into a dataset folder; images that the folder has already are kept.

    Several runs may fetch into one folder at the same time: every file appears whole.

    Args:
        store: The object store.
        digest: Digest of the snapshot.
        folder: The dataset folder; it is made if it does not exist.
        cache: Images of earlier runs; those of this one are added.
        on_progress: Called from this thread with the images done and the images in all.

    Returns:
        The snapshot.

    Raises:
        NotInStore: the snapshot or one of its images is not in the store.
        CorruptObject: content and SHA-256 of one disagree.
    """
    snapshot = load_snapshot(store, digest)
    images = _unique(snapshot)
    missing = [image for image in images if not _is_in_folder(folder, image)]
    already_done = len(images) - len(missing)
    (folder / "images").mkdir(parents=True, exist_ok=True)
    _in_threads(
        missing,
        lambda image: fetch_image(store, image, image_path(folder, image), cache),
        lambda done, _: on_progress(already_done + done, len(images)),
    )
    # All images exist now: this verifies them, and writes the manifest.
    fill(folder, snapshot, lambda image, path: fetch_image(store, image, path, cache))
    cache.shrink()
    return snapshot


def _stored_images(store: Store, number: int) -> tuple[set[str], bool]:
    """SHA-256 of images in the store, from their keys, and whether these are all.

    A store may have the images of many projects: the listing is given up when asking for each of ``number`` images
    would be cheaper.
    """
    entries, are_all = store.first_entries(keys.blobs(), math.ceil(number / HEADS_A_PAGE))
    return {entry.key.rpartition("/")[2] for entry in entries}, are_all


def _save_image(store: Store, image: LabelledImage, path: Path, *, is_new: bool) -> None:
    def key(sha256: str) -> str:
        if sha256 != image.sha256:
            raise BadExport(f"{path}: changed since it was checked ({image.file_name}); read the export again")
        return keys.blob(sha256)

    store.upload(path, key, is_new=is_new)


def fetch_image(store: Store, image: LabelledImage, path: Path, cache: BlobCache) -> None:
    """Bring one image to this machine.

    Args:
        store: The object store.
        image: The image.
        path: Where it goes; the folder exists.
        cache: Images of earlier runs on this machine, and of this one afterwards.
    """
    cache.place(image.sha256, image.size, path, lambda cached: _download_image(store, image, cached))


def _download_image(store: Store, image: LabelledImage, path: Path) -> None:
    store.download(StoredFile(key=keys.blob(image.sha256), sha256=image.sha256, size=image.size), path)


def _is_in_folder(folder: Path, image: LabelledImage) -> bool:
    path = image_path(folder, image)
    return path.exists() and path.stat().st_size == image.size


def _unique(snapshot: DatasetSnapshot) -> list[LabelledImage]:
    """The images of a snapshot without copies: one for every content."""
    return list({image.sha256: image for image in snapshot.images}.values())


def _in_threads(items: Iterable[T], work: Callable[[T], None], on_progress: OnProgress) -> None:
    """Call ``work`` for every item, in threads; the first error cancels what has not begun."""
    with ThreadPoolExecutor(THREADS) as pool:
        call = in_context(work)
        futures = [pool.submit(call, item) for item in items]
        try:
            for done, future in enumerate(as_completed(futures), start=1):
                future.result()
                on_progress(done, len(futures))
        finally:
            pool.shutdown(cancel_futures=True)
