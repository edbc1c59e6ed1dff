"""The store, against a real server."""

import hashlib
import os
import signal
import subprocess
import sys
import threading
import urllib.error
import urllib.request
import uuid
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest
from pydantic import SecretStr

from tasks.errors import BadSettings, CorruptObject, LostRace, NotInStore, StoreError, StoreUnavailable
from tasks.records import StoredFile
from tasks.settings import StoreSettings
from tasks.storage.probe import probe
from tasks.storage.s3 import MULTIPART_BYTES, STREAMED_BYTES, Store
from tests.fakes.slow_link import SlowLink

MEBI = 1024**2
UPLOAD = """
import sys
from pathlib import Path
from tasks.storage.s3 import Store
Store.from_environment().upload(Path(sys.argv[1]), "model.bin")
"""


@pytest.fixture(scope="module")
def signatures(server_settings):
    """Skips for a store that takes any key, as moto's server does; our own never does."""
    anybody = server_settings.model_copy(update={"secret_access_key": SecretStr("an0ther-s3cret")})
    with suppress(BadSettings):
        Store(anybody).put(f"signatures/{uuid.uuid4().hex}", b"")
        if os.environ.get("NASFLOW_TEST_STORE_ENDPOINT"):
            pytest.skip("this store does not check signatures")
        pytest.fail("SeaweedFS took a wrong key")


def as_environment(settings: StoreSettings) -> dict[str, str]:
    values = settings.model_dump(exclude={"ca_bundle", "secret_access_key"}, exclude_none=True) | {
        "secret_access_key": settings.secret_access_key.get_secret_value()
    }
    return {**os.environ, **{f"NASFLOW_STORE_{name.upper()}": str(value) for name, value in values.items()}}


def pending_uploads(store: Store) -> list[str]:
    """Unfinished uploads under this store's prefix; the server may have those of other tests."""
    answer = store._client.list_multipart_uploads(Bucket=store._settings.bucket)
    pending = [upload["Key"] for upload in answer.get("Uploads", [])]
    return [key for key in pending if key.startswith(store._settings.prefix)]


def test_an_object_is_read_as_it_was_written(store):
    etag = store.put("a/b.json", b"{}", content_type="application/json")
    assert store.get("a/b.json") == (b"{}", etag)
    assert store.exists("a/b.json")
    assert not store.exists("a/c.json")
    with pytest.raises(NotInStore, match=r"read a/c\.json at http.*404 NoSuchKey"):
        store.get("a/c.json")


def test_deleting_a_missing_object_is_no_error(store):
    store.put("a", b"")
    store.delete(["a", "b"])
    assert store.list("") == []


def test_list_is_complete_sorted_and_within_the_prefix(store, store_settings):
    keys = [f"many/{number:04d}" for number in range(1100)] + ["o/a-b", "o/a/b"]
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda key: store.put(key, b""), keys))
    assert store.list("") == sorted(keys)
    assert store.list("o/") == ["o/a-b", "o/a/b"]
    assert Store(store_settings.model_copy(update={"prefix": "elsewhere"})).list("") == []


def test_one_of_several_concurrent_creates_wins(store):
    start = threading.Barrier(12)

    def create(number: int) -> bool:
        start.wait()
        try:
            store.create("claim", str(number).encode())
        except LostRace:
            return False
        return True

    with ThreadPoolExecutor(12) as pool:
        wins = list(pool.map(create, range(12)))
    assert wins.count(True) == 1
    assert store.get("claim")[0] == str(wins.index(True)).encode()


def test_one_of_several_concurrent_replaces_wins(store):
    etag = store.create("alias", b"start")
    start = threading.Barrier(12)

    def replace(number: int) -> bool:
        start.wait()
        try:
            store.replace("alias", str(number).encode(), etag)
        except LostRace:
            return False
        return True

    with ThreadPoolExecutor(12) as pool:
        assert list(pool.map(replace, range(12))).count(True) == 1


def test_replace_of_a_removed_object_is_a_lost_race(store):
    etag = store.put("alias", b"1")
    store.delete(["alias"])
    with pytest.raises(LostRace):
        store.replace("alias", b"2", etag)


def test_the_probe_passes_and_deletes_its_objects(store):
    probe(store)
    assert store.list("") == []


@pytest.mark.parametrize("size", [0, 1000, STREAMED_BYTES + 17, MULTIPART_BYTES + 17])
def test_a_file_is_downloaded_as_it_was_uploaded(store, tmp_path, size):
    data = os.urandom(size)
    (tmp_path / "sent").write_bytes(data)
    stored = store.upload(tmp_path / "sent", "files/x")
    assert stored == StoredFile(key="files/x", sha256=hashlib.sha256(data).hexdigest(), size=size)
    store.download(stored, tmp_path / "new folder" / "received")
    assert (tmp_path / "new folder" / "received").read_bytes() == data
    assert [path.name for path in (tmp_path / "new folder").iterdir()] == ["received"]


def test_a_file_in_the_store_is_not_uploaded_again(store, tmp_path):
    path = tmp_path / "x"
    path.write_bytes(b"content")
    store.upload(path, lambda sha256: f"by-content/{sha256}")
    [key] = store.list("by-content/")
    before = store._head(key)["LastModified"], store.get(key)
    assert store.upload(path, lambda sha256: f"by-content/{sha256}").key == key
    assert (store._head(key)["LastModified"], store.get(key)) == before
    path.write_bytes(b"Content")
    assert store.upload(path, key).sha256 == hashlib.sha256(b"Content").hexdigest()
    assert store.get(key)[0] == b"Content"


@pytest.mark.parametrize("size", [1000, MULTIPART_BYTES + 17])
@pytest.mark.parametrize("change", ["overwrite", "truncate"])
def test_a_file_changed_while_it_is_read_is_not_stored(store, tmp_path, size, change):
    path = tmp_path / "x"
    path.write_bytes(os.urandom(size))

    def key(_sha256: str) -> str:  # called between the first reading and the sending
        with path.open("r+b") as file:
            if change == "truncate":
                file.truncate(size // 2)
            else:
                file.seek(size - 10)
                file.write(b"0123456789")
        return "x"

    with pytest.raises(StoreError, match="the file was changed while it was read"):
        store.upload(path, key)
    assert store.list("") == []
    assert pending_uploads(store) == []


def test_a_file_that_is_replaced_during_the_upload_is_sent_as_it_was_opened(store, tmp_path):
    path = tmp_path / "last.ckpt"
    path.write_bytes(b"old")

    def key(_sha256: str) -> str:
        (tmp_path / "new").write_bytes(b"newer")
        (tmp_path / "new").replace(path)
        return "x"

    assert store.upload(path, key).size == 3
    assert store.get("x")[0] == b"old"


def test_a_damaged_object_is_not_downloaded(store, tmp_path):
    (tmp_path / "x").write_bytes(b"content")
    stored = store.upload(tmp_path / "x", "x")
    store.put("x", b"cOntent")
    with pytest.raises(CorruptObject, match=r"s3://[\w-]+/.*/x: 7 bytes with SHA-256 .* recorded were 7 bytes"):
        store.download(stored, tmp_path / "received")
    assert [path.name for path in tmp_path.iterdir()] == ["x"]


def test_a_killed_upload_creates_no_object_and_can_be_repeated(store, store_settings, tmp_path):
    path = tmp_path / "model"
    path.write_bytes(os.urandom(2 * MULTIPART_BYTES))
    with SlowLink(store_settings.endpoint, pass_bytes=MULTIPART_BYTES + 8 * MEBI) as link:
        environment = as_environment(store_settings.model_copy(update={"endpoint": link.endpoint}))
        process = subprocess.Popen([sys.executable, "-c", UPLOAD, str(path)], env=environment)
        assert link.stalled.wait(30)
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert store.list("") == []
    store.download(store.upload(path, "model.bin"), tmp_path / "received")


def test_link_works_without_credentials_and_uri_names_the_object(store, store_settings):
    store.put("report/ü b.html", b"hello")
    with urllib.request.urlopen(store.link("report/ü b.html", 60).url) as answer:
        assert answer.read() == b"hello"
    assert "X-Amz-Signature" in store.link("report/ü b.html", 60).url
    assert store.uri("a") == f"s3://{store_settings.bucket}/{store_settings.prefix}a"


@pytest.mark.usefixtures("signatures")
def test_a_link_is_signed_for_the_endpoint_that_browsers_reach(store_settings):
    port = store_settings.endpoint.rpartition(":")[2]
    store = Store(store_settings.model_copy(update={"public_endpoint": f"http://localhost:{port}"}))
    store.put("report.html", b"hello")
    link = store.link("report.html", 60).url
    assert link.startswith(f"http://localhost:{port}/")
    with urllib.request.urlopen(link) as answer:
        assert answer.read() == b"hello"
    with pytest.raises(urllib.error.HTTPError, match="403"):
        urllib.request.urlopen(link.replace("localhost", "127.0.0.1"))


@pytest.mark.parametrize("size", [1000, MULTIPART_BYTES + 17])
def test_writes_are_encrypted_as_the_settings_say(store_settings, tmp_path, size):
    store = Store(store_settings.model_copy(update={"encryption": "AES256"}))
    (tmp_path / "sent").write_bytes(os.urandom(size))
    store.download(store.upload(tmp_path / "sent", "file"), tmp_path / "received")
    assert (tmp_path / "received").read_bytes() == (tmp_path / "sent").read_bytes()
    store.replace("record", b"2", store.create("record", b"1"))
    assert {store._head(key)["ServerSideEncryption"] for key in ("file", "record")} == {"AES256"}
    probe(store)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"secret_access_key": SecretStr("wr0ng-s3cret")},
            r"403 SignatureDoesNotMatch \(.*; correct NASFLOW_STORE_ACCESS",
        ),
        ({"access_key_id": "nobody"}, r"403 InvalidAccessKeyId \(.*; correct NASFLOW_STORE_ACCESS_KEY_ID"),
    ],
)
@pytest.mark.usefixtures("signatures")
def test_wrong_keys_are_named_without_secrets(store_settings, change, message):
    settings = store_settings.model_copy(update=change)
    with pytest.raises(BadSettings, match=message) as caught:
        Store(settings).put("a", b"")
    assert settings.secret_access_key.get_secret_value() not in str(caught.value)


def test_a_bucket_that_is_not_there_is_named(store_settings):
    message = r"404 NoSuchBucket \(.*; create the bucket elsewhere, or correct NASFLOW_STORE_BUCKET"
    with pytest.raises(BadSettings, match=message):
        Store(store_settings.model_copy(update={"bucket": "elsewhere"})).put("a", b"")


def test_a_store_that_does_not_answer_is_unavailable(store_settings):
    settings = store_settings.model_copy(update={"endpoint": "http://127.0.0.1:9"})
    with pytest.raises(StoreUnavailable, match=r"no answer .*NASFLOW_STORE_ENDPOINT"):
        Store(settings).get("a")
