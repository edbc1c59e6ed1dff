"""A backup of a store comes back whole, also when runs worked while it was made."""

import subprocess
import sys
import uuid

import pytest

from deployments.remote.store_backup import read_index, restore, save
from tasks.errors import BadRequest, CorruptObject, StoreError
from tasks.storage.s3 import STREAMED_BYTES, Store

OBJECTS = {
    "models/pets/1/index.html": (b"<p>report</p>", "text/html; charset=utf-8"),
    "models/pets/aliases/champion.json": (b'{"version": 1}', "application/json"),
    "runs/a/empty": (b"", "application/octet-stream"),
    "runs/a/large": (b"x" * (STREAMED_BYTES + 1), "application/octet-stream"),
}


def fill(store):
    for key, (content, content_type) in OBJECTS.items():
        store.put(key, content, content_type=content_type)


def contents(store):
    return {key: (store.get(key)[0], store.content_type(key)) for key in store.list("")}


@pytest.fixture
def other_store(store_settings):
    return Store(store_settings.model_copy(update={"prefix": f"{uuid.uuid4().hex}/"}))


def test_everything_comes_back_with_its_type(store, other_store, tmp_path):
    fill(store)
    save(store, tmp_path)
    assert restore(other_store, tmp_path) == 4
    assert contents(other_store) == OBJECTS
    restore(other_store, tmp_path)  # again, as after an interruption
    assert contents(other_store) == OBJECTS


def test_what_an_object_refers_to_is_there_though_it_came_after_the_first_listing(
    store, store_settings, other_store, tmp_path
):
    """A writer that adds content and then points to it, at each listing, four times."""

    class BusyStore(Store):
        listings = 0

        def entries(self, prefix):
            listed = super().entries(prefix)
            if self.listings < 4:
                self.listings += 1
                self.put(f"runs/content-{self.listings}", b"content")
                self.put("runs/pointer", f"runs/content-{self.listings}".encode())
            return listed

    fill(store)
    save(BusyStore(store_settings), tmp_path)
    restore(other_store, tmp_path)
    assert other_store.get(other_store.get("runs/pointer")[0].decode())[0] == b"content"


def test_a_store_that_never_rests_is_refused_and_leaves_no_backup(store, store_settings, tmp_path):
    class RestlessStore(Store):
        def entries(self, prefix):
            self.put(uuid.uuid4().hex, b"new")
            return super().entries(prefix)

    with pytest.raises(StoreError, match="new objects after 10 listings"):
        save(RestlessStore(store_settings), tmp_path)
    assert list(tmp_path.glob("index-*")) == []


def test_a_second_backup_reads_only_what_changed_and_the_newest_is_restored(
    store, store_settings, other_store, tmp_path
):
    class CountingStore(Store):
        read = 0

        def get(self, key):
            self.read += 1
            return super().get(key)

        def fetch(self, key, path):
            self.read += 1
            super().fetch(key, path)

    fill(store)
    save(store, tmp_path)
    store.put("models/pets/aliases/champion.json", b'{"version": 2}', content_type="application/json")
    counting = CountingStore(store_settings)
    save(counting, tmp_path)
    assert counting.read == 1
    restore(other_store, tmp_path)
    assert other_store.get("models/pets/aliases/champion.json")[0] == b'{"version": 2}'


@pytest.mark.parametrize("damage", [lambda blob: blob.unlink(), lambda blob: blob.write_bytes(b"<p>")])
def test_a_content_that_is_gone_from_the_folder_or_cut_off_is_read_again(store, other_store, tmp_path, damage):
    """As after a clean-up by age. Else each later backup would say that it is whole, and could not be restored."""
    fill(store)
    save(store, tmp_path)
    (line,) = (one for one in read_index(tmp_path) if one.key == "models/pets/1/index.html")
    damage(tmp_path / "blobs" / line.sha256[:2] / line.sha256)
    save(store, tmp_path)
    restore(other_store, tmp_path)
    assert contents(other_store) == OBJECTS


def test_a_damaged_backup_is_refused_before_anything_is_written(store, other_store, tmp_path):
    fill(store)
    save(store, tmp_path)
    (line,) = (one for one in read_index(tmp_path) if one.key == "models/pets/1/index.html")
    (tmp_path / "blobs" / line.sha256[:2] / line.sha256).write_bytes(b"rotten")
    with pytest.raises(CorruptObject, match=r"models/pets/1/index\.html"):
        restore(other_store, tmp_path)
    assert other_store.list("") == []


def test_a_store_with_other_objects_is_not_written_to(store, other_store, tmp_path):
    fill(store)
    save(store, tmp_path)
    other_store.put("models/other/card.json", b"{}")
    with pytest.raises(BadRequest, match=r"1 objects that are not in the backup, such as models/other/card\.json"):
        restore(other_store, tmp_path)
    assert other_store.list("") == ["models/other/card.json"]


def test_the_command_says_what_it_did_and_what_it_did_not_understand(store, store_environment, tmp_path):
    def run(*arguments):
        command = [sys.executable, "-m", "deployments.remote.store_backup", *arguments]
        return subprocess.run(command, env=store_environment, capture_output=True, text=True, check=False)

    fill(store)
    done = run("save", str(tmp_path))
    assert (done.returncode, "saved 4 objects" in done.stderr + done.stdout) == (0, True)
    for arguments, said in ((["drop", "x"], "not understood"), (["restore", str(tmp_path / "no")], "has no backup")):
        failed = run(*arguments)
        assert failed.returncode == 2
        assert said in failed.stderr
        assert len(failed.stderr.splitlines()) == 1
