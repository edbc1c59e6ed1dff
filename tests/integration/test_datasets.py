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
    """Thirty small files by SHA-256; they need not be images here."""
    paths = [tmp_path / f"{number}.jpg" for number in range(30)]
    for path in paths:
        path.write_bytes(path.name.encode() * 100)
    return {hashlib.sha256(path.read_bytes()).hexdigest(): path for path in paths}


@pytest.fixture
def cache(tmp_path):
    return BlobCache(tmp_path / "blobs", 10**9)


@pytest.fixture
def snapshot(files):
    """The thirty files, and one of them a second time under another name."""
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


def test_a_snapshot_is_fetched_as_it_was_saved(store, snapshot, files, cache, tmp_path):
    reported = []
    ref = save_snapshot(store, snapshot, files, lambda done, total: reported.append((done, total)))
    assert reported == [(number, 30) for number in range(1, 31)]
    assert ref.snapshot_digest == snapshot.digest
    assert ref.splits["valid"].images == 1
    assert load_snapshot(store, snapshot.digest) == snapshot
    assert len(store.list("datasets/blobs/")) == 30

    folder = tmp_path / "dataset"
    assert fetch_dataset(store, snapshot.digest, folder, cache) == snapshot
    assert load(folder) == snapshot
    for sha256, path in files.items():
        assert (folder / "images" / sha256).read_bytes() == path.read_bytes()


def test_saving_a_snapshot_again_uploads_nothing(store, snapshot, files):
    save_snapshot(store, snapshot, files)
    before = {key: store._head(key)["LastModified"] for key in store.list("")}
    assert save_snapshot(store, snapshot, files).snapshot_digest == snapshot.digest
    assert {key: store._head(key)["LastModified"] for key in store.list("")} == before


def test_no_manifest_is_saved_before_all_images_are(store, snapshot, files):
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


def test_only_missing_images_are_fetched(store, snapshot, files, cache, tmp_path):
    save_snapshot(store, snapshot, files)
    fetch_dataset(store, snapshot.digest, tmp_path / "dataset", cache)
    first, *rest = snapshot.images
    image_path(tmp_path / "dataset", first).unlink()
    (cache.folder / first.sha256[:2] / first.sha256).unlink()
    store.delete(keys.blob(image.sha256) for image in rest if image.sha256 != first.sha256)
    reported = []
    fetch_dataset(
        store, snapshot.digest, tmp_path / "dataset", cache, lambda done, total: reported.append((done, total))
    )
    assert reported == [(30, 30)]
    assert image_path(tmp_path / "dataset", first).exists()


def test_a_damaged_image_is_not_put_into_the_dataset_folder(store, snapshot, files, cache, tmp_path):
    save_snapshot(store, snapshot, files)
    damaged = snapshot.images[3]
    store.put(keys.blob(damaged.sha256), b"x" * damaged.size)
    with pytest.raises(CorruptObject, match=f"{damaged.sha256}: {damaged.size} bytes"):
        fetch_dataset(store, snapshot.digest, tmp_path / "dataset", cache)
    assert not image_path(tmp_path / "dataset", damaged).exists()
    assert not (tmp_path / "dataset" / "snapshot.json").exists()


# The cache -----------------------------------------------------------------------------------------


def test_a_second_dataset_folder_links_to_cached_images(store, snapshot, files, cache, tmp_path):
    save_snapshot(store, snapshot, files)
    fetch_dataset(store, snapshot.digest, tmp_path / "one", cache)
    store.delete(keys.blob(sha256) for sha256 in files)
    fetch_dataset(store, snapshot.digest, tmp_path / "two", cache)
    for image in snapshot.images:
        paths = [image_path(tmp_path / name, image) for name in ("one", "two")]
        assert paths[0].samefile(paths[1])
        assert paths[1].read_bytes() == files[image.sha256].read_bytes()


def test_a_damaged_image_of_the_cache_is_fetched_again(store, snapshot, files, cache, tmp_path):
    save_snapshot(store, snapshot, files)
    fetch_dataset(store, snapshot.digest, tmp_path / "one", cache)
    image = snapshot.images[2]
    shutil.rmtree(tmp_path / "one")
    (cache.folder / image.sha256[:2] / image.sha256).write_bytes(b"x" * image.size)
    fetch_dataset(store, snapshot.digest, tmp_path / "two", cache)
    assert image_path(tmp_path / "two", image).read_bytes() == files[image.sha256].read_bytes()


def test_images_that_were_used_last_stay_in_the_cache(store, snapshot, files, tmp_path):
    """Four of thirty fit into the cache; the dataset folder keeps all of its images."""
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


def test_concurrent_runs_share_a_cache_that_is_too_small(store, snapshot, files, tmp_path):
    save_snapshot(store, snapshot, files)
    cache = BlobCache(tmp_path / "blobs", 0)
    with ThreadPoolExecutor(4) as pool:
        folders = [tmp_path / str(number) for number in range(8)]
        list(pool.map(lambda folder: fetch_dataset(store, snapshot.digest, folder, cache), folders))
    for folder in folders:
        assert all(image_path(folder, image).stat().st_size == image.size for image in snapshot.images)
    assert not list(cache.folder.glob("??/*"))


def test_a_new_version_uploads_only_new_images(store, tmp_path):
    """Of 300 images 15 are new: 15 objects are written, and the others stay untouched."""
    paths = [tmp_path / f"{number}.jpg" for number in range(315)]
    for path in paths:
        path.write_bytes(path.name.encode() * 100)
    first, later = version_of(paths[:300]), version_of(paths[15:])
    save_snapshot(store, *first)
    before = {key: store._head(key)["LastModified"] for key in store.list(keys.blobs())}
    reported = []
    save_snapshot(store, later[0], later[1], lambda done, total: reported.append((done, total)))
    after = {key: store._head(key)["LastModified"] for key in store.list(keys.blobs())}
    assert len(before) == 300
    assert len(after) == 315
    assert {key: after[key] for key in before} == before
    assert reported == [(number, 300) for number in range(286, 301)]


def version_of(paths):
    """A snapshot of files, and the files by SHA-256."""
    files = {hashlib.sha256(path.read_bytes()).hexdigest(): path for path in paths}
    images = tuple(
        LabelledImage(
            file_name=path.name, split="train", sha256=sha256, size=path.stat().st_size, width=10, height=10, boxes=()
        )
        for sha256, path in files.items()
    )
    return DatasetSnapshot(classes=("thing",), images=images, source=LabelSource(kind="file", name="x")), files


def test_a_deleted_image_is_uploaded_again(store, snapshot, files):
    """That is the remedy that the message about a damaged image names; the manifest exists already."""
    save_snapshot(store, snapshot, files)
    lost = keys.blob(snapshot.images[4].sha256)
    store.delete([lost])
    save_snapshot(store, snapshot, files)
    assert store.exists(lost)
