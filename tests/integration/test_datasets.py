"""Snapshots in the store and on disk, against a real server."""

import hashlib
import os
import shutil
from concurrent.futures import ThreadPoolExecutor

import pytest

from tasks.errors import BadExport, CorruptObject, NotInStore
from tasks.local.dataset_folder import image_path, load
from tasks.records import Box, DatasetSnapshot, LabelledImage, LabelSource
from tasks.storage import keys
from tasks.storage.blob_cache import BlobCache
from tasks.storage.datasets import fetch_dataset, load_snapshot, save_snapshot


@pytest.fixture
def files(tmp_path):
    """Thirty small files by SHA-256; what is in images does not matter here."""
    paths = [tmp_path / f"{number}.jpg" for number in range(30)]
    for path in paths:
        path.write_bytes(path.name.encode() * 100)
    return {hashlib.sha256(path.read_bytes()).hexdigest(): path for path in paths}


@pytest.fixture
def cache(tmp_path):
    return BlobCache(tmp_path / "blobs", 10**9)


@pytest.fixture
def snapshot(files):
    """The thirty, and one of them a second time under another name."""
    images = [
        LabelledImage(
            file_name=path.name,
            split="train",
            sha256=sha256,
            size=path.stat().st_size,
            width=10,
            height=10,
            boxes=(Box(0, 1, 1, 5, 5),),
        )
        for sha256, path in files.items()
    ]
    again = images[0].model_copy(update={"file_name": "again.jpg", "split": "valid"})
    return DatasetSnapshot(
        classes=("thing",), images=(*images, again), source=LabelSource(kind="file", name="export.zip")
    )


def test_a_snapshot_goes_there_and_back(store, snapshot, files, cache, tmp_path):
    told = []
    ref = save_snapshot(store, snapshot, files, lambda done, total: told.append((done, total)))
    assert told == [(number, 30) for number in range(1, 31)]
    assert ref.snapshot_digest == snapshot.digest
    assert ref.splits["valid"].images == 1
    assert load_snapshot(store, snapshot.digest) == snapshot
    assert len(store.list("datasets/blobs/")) == 30

    folder = tmp_path / "dataset"
    assert fetch_dataset(store, snapshot.digest, folder, cache) == snapshot
    assert load(folder) == snapshot
    for sha256, path in files.items():
        assert (folder / "images" / sha256).read_bytes() == path.read_bytes()


def test_saving_again_sends_nothing(store, snapshot, files):
    save_snapshot(store, snapshot, files)
    before = {key: store._head(key)["LastModified"] for key in store.list("")}
    assert save_snapshot(store, snapshot, files).snapshot_digest == snapshot.digest
    assert {key: store._head(key)["LastModified"] for key in store.list("")} == before


def test_without_all_images_there_is_no_manifest(store, snapshot, files):
    files[snapshot.images[7].sha256].write_bytes(b"another image")
    with pytest.raises(BadExport, match=r"7\.jpg: changed since it was checked"):
        save_snapshot(store, snapshot, files)
    with pytest.raises(NotInStore):
        load_snapshot(store, snapshot.digest)


def test_a_manifest_under_a_wrong_digest_is_refused(store, snapshot):
    store.put(keys.snapshot("c" * 64), snapshot.model_dump_json().encode())
    with pytest.raises(CorruptObject, match=f"its digest is {snapshot.digest}"):
        load_snapshot(store, "c" * 64)
    store.put(keys.snapshot("d" * 64), b'{"classes": []}')
    with pytest.raises(CorruptObject, match="not a DatasetSnapshot: classes"):
        load_snapshot(store, "d" * 64)


def test_only_what_is_missing_is_fetched(store, snapshot, files, cache, tmp_path):
    save_snapshot(store, snapshot, files)
    fetch_dataset(store, snapshot.digest, tmp_path / "dataset", cache)
    first, *others = snapshot.images
    image_path(tmp_path / "dataset", first).unlink()
    (cache.folder / first.sha256[:2] / first.sha256).unlink()
    store.delete(keys.blob(image.sha256) for image in others if image.sha256 != first.sha256)
    told = []
    fetch_dataset(store, snapshot.digest, tmp_path / "dataset", cache, lambda done, total: told.append((done, total)))
    assert told == [(30, 30)]
    assert image_path(tmp_path / "dataset", first).exists()


def test_a_damaged_image_does_not_get_into_the_folder(store, snapshot, files, cache, tmp_path):
    save_snapshot(store, snapshot, files)
    damaged = snapshot.images[3]
    store.put(keys.blob(damaged.sha256), b"x" * damaged.size)
    with pytest.raises(CorruptObject, match=f"{damaged.sha256}: {damaged.size} bytes"):
        fetch_dataset(store, snapshot.digest, tmp_path / "dataset", cache)
    assert not image_path(tmp_path / "dataset", damaged).exists()
    assert not (tmp_path / "dataset" / "snapshot.json").exists()


# The cache -----------------------------------------------------------------------------------------


def test_another_folder_is_linked_and_asks_the_store_for_no_image(store, snapshot, files, cache, tmp_path):
    save_snapshot(store, snapshot, files)
    fetch_dataset(store, snapshot.digest, tmp_path / "one", cache)
    store.delete(keys.blob(sha256) for sha256 in files)
    fetch_dataset(store, snapshot.digest, tmp_path / "two", cache)
    for image in snapshot.images:
        places = [image_path(tmp_path / name, image) for name in ("one", "two")]
        assert places[0].samefile(places[1])
        assert places[1].read_bytes() == files[image.sha256].read_bytes()


def test_what_a_disk_lost_is_fetched_again(store, snapshot, files, cache, tmp_path):
    save_snapshot(store, snapshot, files)
    fetch_dataset(store, snapshot.digest, tmp_path / "one", cache)
    image = snapshot.images[2]
    shutil.rmtree(tmp_path / "one")
    (cache.folder / image.sha256[:2] / image.sha256).write_bytes(b"x" * image.size)
    fetch_dataset(store, snapshot.digest, tmp_path / "two", cache)
    assert image_path(tmp_path / "two", image).read_bytes() == files[image.sha256].read_bytes()


def test_the_least_recently_used_go_first(store, snapshot, files, tmp_path):
    """Four of thirty fit: those that were used last; the folder keeps all of its own."""
    size = snapshot.images[0].size
    assert all(image.size in (size, size + 100) for image in snapshot.images)
    save_snapshot(store, snapshot, files)
    cache = BlobCache(tmp_path / "blobs", 10**9)
    fetch_dataset(store, snapshot.digest, tmp_path / "one", cache)
    kept = [image.sha256 for image in snapshot.images[10:14]]
    for age, path in enumerate(sorted(cache.folder.glob("??/*"))):
        os.utime(path, (1, 1) if path.name not in kept else (2 + age, 2 + age))
    small = BlobCache(cache.folder, sum(image.size for image in snapshot.images[10:14]))
    assert small.shrink() > 0
    assert {path.name for path in cache.folder.glob("??/*")} == set(kept)
    assert all(image_path(tmp_path / "one", image).exists() for image in snapshot.images)


def test_two_runs_at_once_in_a_cache_that_is_too_small(store, snapshot, files, tmp_path):
    save_snapshot(store, snapshot, files)
    cache = BlobCache(tmp_path / "blobs", 0)
    with ThreadPoolExecutor(4) as pool:
        folders = [tmp_path / str(number) for number in range(8)]
        list(pool.map(lambda folder: fetch_dataset(store, snapshot.digest, folder, cache), folders))
    for folder in folders:
        assert all(image_path(folder, image).stat().st_size == image.size for image in snapshot.images)
    assert not list(cache.folder.glob("??/*"))


def test_a_new_version_sends_what_is_new_alone(store, tmp_path):
    """Of 300 images 15 are others: 15 objects come to the store, and those that were there stay untouched."""
    paths = [tmp_path / f"{number}.jpg" for number in range(315)]
    for path in paths:
        path.write_bytes(path.name.encode() * 100)
    first, later = version_of(paths[:300]), version_of(paths[15:])
    save_snapshot(store, *first)
    before = {key: store._head(key)["LastModified"] for key in store.list(keys.blobs())}
    told = []
    save_snapshot(store, *later, lambda done, total: told.append((done, total)))
    after = {key: store._head(key)["LastModified"] for key in store.list(keys.blobs())}
    assert len(before) == 300
    assert len(after) == 315
    assert {key: after[key] for key in before} == before
    assert told == [(number, 300) for number in range(286, 301)]


def version_of(paths):
    """A snapshot of files, and where they are."""
    files = {hashlib.sha256(path.read_bytes()).hexdigest(): path for path in paths}
    images = tuple(
        LabelledImage(
            file_name=path.name, split="train", sha256=sha256, size=path.stat().st_size, width=10, height=10, boxes=()
        )
        for sha256, path in files.items()
    )
    return DatasetSnapshot(classes=("thing",), images=images, source=LabelSource(kind="file", name="x")), files


def test_a_image_that_was_deleted_is_saved_again(store, snapshot, files):
    """As the message about a damaged one says; the manifest is there."""
    save_snapshot(store, snapshot, files)
    lost = keys.blob(snapshot.images[4].sha256)
    store.delete([lost])
    save_snapshot(store, snapshot, files)
    assert store.exists(lost)
