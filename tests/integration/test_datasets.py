"""Snapshots in the store and on disk, against a real server."""

import hashlib

import pytest

from tasks.dataset_folder import image_path, load
from tasks.errors import BadExport, CorruptObject, NotInStore
from tasks.records import Box, DatasetSnapshot, LabelledImage, LabelSource
from tasks.storage import keys
from tasks.storage.datasets import fetch_dataset, load_snapshot, save_snapshot


@pytest.fixture
def files(tmp_path):
    """Thirty small files by SHA-256; what is in pictures does not matter here."""
    paths = [tmp_path / f"{number}.jpg" for number in range(30)]
    for path in paths:
        path.write_bytes(path.name.encode() * 100)
    return {hashlib.sha256(path.read_bytes()).hexdigest(): path for path in paths}


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


def test_a_snapshot_goes_there_and_back(store, snapshot, files, tmp_path):
    told = []
    ref = save_snapshot(store, snapshot, files, lambda done, total: told.append((done, total)))
    assert told == [(number, 30) for number in range(1, 31)]
    assert ref.snapshot_digest == snapshot.digest
    assert ref.splits["valid"].images == 1
    assert load_snapshot(store, snapshot.digest) == snapshot
    assert len(store.list("datasets/blobs/")) == 30

    folder = tmp_path / "dataset"
    assert fetch_dataset(store, snapshot.digest, folder) == snapshot
    assert load(folder) == snapshot
    for sha256, path in files.items():
        assert (folder / "images" / sha256).read_bytes() == path.read_bytes()


def test_saving_again_sends_nothing(store, snapshot, files):
    save_snapshot(store, snapshot, files)
    before = {key: store._head(key)["LastModified"] for key in store.list("")}
    assert save_snapshot(store, snapshot, files).snapshot_digest == snapshot.digest
    assert {key: store._head(key)["LastModified"] for key in store.list("")} == before


def test_without_all_pictures_there_is_no_manifest(store, snapshot, files):
    files[snapshot.images[7].sha256].write_bytes(b"another picture")
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


def test_only_what_is_missing_is_fetched(store, snapshot, files, tmp_path):
    save_snapshot(store, snapshot, files)
    fetch_dataset(store, snapshot.digest, tmp_path / "dataset")
    first, *others = snapshot.images
    image_path(tmp_path / "dataset", first).unlink()
    store.delete(keys.blob(image.sha256) for image in others if image.sha256 != first.sha256)
    told = []
    fetch_dataset(store, snapshot.digest, tmp_path / "dataset", lambda done, total: told.append((done, total)))
    assert told == [(30, 30)]
    assert image_path(tmp_path / "dataset", first).exists()


def test_a_damaged_picture_does_not_get_into_the_folder(store, snapshot, files, tmp_path):
    save_snapshot(store, snapshot, files)
    damaged = snapshot.images[3]
    store.put(keys.blob(damaged.sha256), b"x" * damaged.size)
    with pytest.raises(CorruptObject, match=f"{damaged.sha256}: {damaged.size} bytes"):
        fetch_dataset(store, snapshot.digest, tmp_path / "dataset")
    assert not image_path(tmp_path / "dataset", damaged).exists()
    assert not (tmp_path / "dataset" / "snapshot.json").exists()
