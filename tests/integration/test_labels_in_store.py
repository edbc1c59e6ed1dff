"""Labels on their way into a real store: from a folder, a zip, the store itself or Roboflow."""

import pytest
from pydantic import SecretStr

from tasks.errors import BadExport, BadRequest, BadSettings, NasflowError
from tasks.labeling.formats import zips
from tasks.labeling.in_store import check_to_store, export_to_store, subset_to_store
from tasks.records import RetrainRequest
from tasks.settings import RoboflowSettings
from tasks.storage import keys
from tasks.storage.datasets import load_snapshot
from tests.fakes.exports import write_export
from tests.fakes.formats import FORMATS, write_in
from tests.fakes.roboflow_server import KEY, RoboflowServer


def no_roboflow():
    raise AssertionError("Roboflow is not needed here")


def request(**values):
    return RetrainRequest(project="pets", **values)


@pytest.fixture
def pets(tmp_path):
    return write_export(tmp_path / "pets", train=4, valid=2)


@pytest.mark.parametrize("kind", ["folder", "zip", "store"])
def test_labels_from_every_source_become_the_same_snapshot(store, pets, tmp_path, kind):
    export = str(pets)
    if kind != "folder":
        zips.pack(pets, tmp_path / "pets.zip")
        export = str(tmp_path / "pets.zip")
    if kind == "store":
        export = f"store://{store.upload(tmp_path / 'pets.zip', 'incoming/pets.zip').key}"
    fetched = export_to_store(store, request(export=export), no_roboflow, tmp_path / "scratch")
    assert fetched.source.kind == "file"
    assert store.size(fetched.key) == fetched.size
    progress = []
    reference = check_to_store(store, fetched, tmp_path / "scratch", lambda *numbers: progress.append(numbers))
    assert progress[-1] == (6, 6)
    assert (reference.classes, reference.splits["train"].images) == (("cat", "dog"), 4)
    snapshot = load_snapshot(store, reference.snapshot_digest)
    assert snapshot.source.name in ("pets", "pets.zip")
    for image in snapshot.images:
        assert store.get(keys.blob(image.sha256))[0] == (pets / image.split / image.file_name).read_bytes()
    assert list((tmp_path / "scratch").iterdir()) == []


def test_a_part_of_the_labels_adds_only_a_manifest(store, pets, tmp_path):
    fetched = export_to_store(store, request(export=str(pets)), no_roboflow, tmp_path / "scratch")
    whole = check_to_store(store, fetched, tmp_path / "scratch")
    before = set(store.list(""))
    part = subset_to_store(store, whole, 0.5)
    assert (part.splits["train"].images, part.splits["valid"]) == (2, whole.splits["valid"])
    assert set(store.list("")) - before == {keys.snapshot(part.snapshot_digest)}
    assert load_snapshot(store, part.snapshot_digest).counts() == part.splits
    # The share 1 is the snapshot itself, and the same share is the same part.
    assert subset_to_store(store, whole, 1.0).snapshot_digest == whole.snapshot_digest
    assert subset_to_store(store, whole, 0.5) == part


def test_a_zip_in_the_store_is_read_in_every_format(store, tmp_path):
    digests = set()
    for kind in FORMATS:
        zips.pack(write_in(kind, tmp_path / kind), tmp_path / f"{kind}.zip")
        key = store.upload(tmp_path / f"{kind}.zip", f"incoming/{kind}.zip").key
        fetched = export_to_store(store, request(export=f"store://{key}"), no_roboflow, tmp_path / "scratch")
        digests.add(check_to_store(store, fetched, tmp_path / "scratch").snapshot_digest)
    assert len(digests) == 1


def test_an_export_is_named_after_its_folder_however_it_is_written(store, pets, tmp_path, monkeypatch):
    monkeypatch.chdir(pets / "train")
    fetched = export_to_store(store, request(export=".."), no_roboflow, tmp_path / "scratch")
    assert fetched.source.name == "pets"
    check_to_store(store, fetched, tmp_path / "scratch")


def test_an_export_in_the_store_is_not_uploaded_again(store, pets, tmp_path):
    zips.pack(pets, tmp_path / "pets.zip")
    sent = store.upload(tmp_path / "pets.zip", keys.blob)
    fetched = export_to_store(store, request(export=f"store://{sent.key}"), no_roboflow, tmp_path / "scratch")
    assert (fetched.key, fetched.sha256, fetched.size) == (sent.key, sent.sha256, sent.size)
    assert check_to_store(store, fetched, tmp_path / "scratch").splits["valid"].images == 2
    store.put(sent.key, b"something else")
    with pytest.raises(NasflowError):
        check_to_store(store, fetched, tmp_path / "scratch")


@pytest.mark.parametrize(("values", "sources"), [({}, "neither"), ({"workspace": "acme", "export": "x"}, "both")])
def test_labels_come_from_exactly_one_source(store, tmp_path, values, sources):
    with pytest.raises(BadRequest, match=f"from a Roboflow workspace or from an export, got {sources}; give one"):
        export_to_store(store, request(**values), no_roboflow, tmp_path / "scratch")


@pytest.mark.parametrize("export", ["/no/such.zip", "store://no/such.zip", f"store://{keys.blob('a' * 64)}"])
def test_a_missing_export_is_named(store, tmp_path, export):
    with pytest.raises(BadExport, match=f"^{export}: no such "):
        export_to_store(store, request(export=export), no_roboflow, tmp_path / "scratch")


def test_labels_that_cannot_be_trained_on_are_not_saved(store, tmp_path):
    (write_export(tmp_path / "pets") / "train" / "_annotations.coco.json").write_text("[")
    fetched = export_to_store(store, request(export=str(tmp_path / "pets")), no_roboflow, tmp_path / "scratch")
    with pytest.raises(BadExport, match="not JSON"):
        check_to_store(store, fetched, tmp_path / "scratch")
    assert store.list("datasets/snapshots/") == []
    assert list((tmp_path / "scratch").iterdir()) == []


def test_roboflows_labels_become_a_snapshot(store, pets, tmp_path):
    zips.pack(pets, tmp_path / "pets.zip")
    with RoboflowServer((tmp_path / "pets.zip").read_bytes()) as server:
        settings = RoboflowSettings(api_key=SecretStr(KEY), api_url=server.url, deadline=20)
        fetched = export_to_store(store, request(workspace="acme"), lambda: settings, tmp_path / "scratch")
        with pytest.raises(BadSettings, match="API_KEY is empty"):
            export_to_store(store, request(workspace="acme"), RoboflowSettings, tmp_path / "scratch")
    assert (fetched.source.kind, fetched.source.name, fetched.source.version) == ("roboflow", "acme/pets", 10)
    reference = check_to_store(store, fetched, tmp_path / "scratch")
    snapshot = load_snapshot(store, reference.snapshot_digest)
    assert (snapshot.source, len(snapshot.images)) == (fetched.source, 6)
