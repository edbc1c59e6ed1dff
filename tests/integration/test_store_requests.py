"""How often the store is asked: what is new, what was just read, and what this machine has, needs no request."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tasks.evaluation.page_in_store import write_page
from tasks.settings import StoreSettings, WorkSettings
from tasks.storage import keys
from tasks.storage.blob_cache import BlobCache
from tasks.storage.datasets import fetch_dataset
from tasks.storage.s3 import MULTIPART_BYTES, Store
from tests.fakes.counting_proxy import CapitalsProxy, CountingProxy
from tests.fakes.finished_runs import evaluated, finished_run, stored_labels

PAGE = 1000
"""Objects that a store names in one answer."""


@pytest.fixture
def proxy(store_settings: StoreSettings) -> Iterator[CountingProxy]:
    address = urlsplit(store_settings.endpoint or "")
    with CountingProxy(address.hostname or "", address.port or 80) as proxy:
        yield proxy


@pytest.fixture
def counted(store_settings: StoreSettings, proxy: CountingProxy) -> Store:
    """The store of the test, through the proxy."""
    return Store(store_settings.model_copy(update={"endpoint": proxy.url}))


def test_a_proxy_may_write_names_of_metadata_with_capitals(store_settings: StoreSettings, tmp_path: Path) -> None:
    address = urlsplit(store_settings.endpoint or "")
    (tmp_path / "file").write_bytes(b"content")
    with CapitalsProxy(address.hostname or "", address.port or 80) as proxy:
        store = Store(store_settings.model_copy(update={"endpoint": proxy.url}))
        stored = store.upload(tmp_path / "file", "files/x")
        assert store.metadata("files/x") == {"sha256": stored.sha256}


def methods(proxy: CountingProxy) -> dict[str, int]:
    """Requests so far, by method."""
    counts: dict[str, int] = {}
    for request, count in proxy.counted().items():
        method = request.split()[0]
        counts[method] = counts.get(method, 0) + count
    return counts


@pytest.mark.parametrize(("size", "sent"), [(1000, {"PUT": 1}), (2 * MULTIPART_BYTES, {"POST": 2, "PUT": 2})])
def test_a_new_file_is_sent_and_looked_for_once(
    counted: Store, proxy: CountingProxy, tmp_path: Path, size: int, sent: dict[str, int]
) -> None:
    (tmp_path / "file").write_bytes(bytes(size))
    counted.upload(tmp_path / "file", "files/x", is_new=True)
    assert methods(proxy) == {**sent, "HEAD": 1}


def test_a_file_that_may_be_there_is_looked_for_first(counted: Store, proxy: CountingProxy, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"content")
    counted.upload(tmp_path / "file", "files/x")
    assert methods(proxy) == {"HEAD": 2, "PUT": 1}
    counted.upload(tmp_path / "file", "files/x")
    assert methods(proxy) == {"HEAD": 3, "PUT": 1}


def test_a_listing_ends_after_so_many_pages(counted: Store, store: Store, proxy: CountingProxy) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: store.put(f"many/{number:04}", b""), range(PAGE + 1)))
    entries, are_all = counted.first_entries("many/", 1)
    assert (len(entries), are_all) == (PAGE, False)
    assert methods(proxy) == {"GET": 1}
    entries, are_all = counted.first_entries("many/", 2)
    assert (len(entries), are_all) == (PAGE + 1, True)
    assert len(counted.entries("many/")) == PAGE + 1


@pytest.mark.parametrize("variable", ["NASFLOW_STORE_PREFIX", "AWS_PROFILE", "AWS_ACCESS_KEY_ID"])
def test_a_process_has_one_store_until_its_environment_changes(
    store_environment: dict[str, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, variable: str
) -> None:
    for name, value in store_environment.items():
        monkeypatch.setenv(name, value)
    (tmp_path / "config").write_text("[profile changed]\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    first = Store.from_environment()
    assert Store.from_environment() is first
    monkeypatch.setenv(variable, "changed")
    assert Store.from_environment() is not first


def test_a_page_takes_its_images_from_this_machine(
    store: Store, counted: Store, proxy: CountingProxy, tmp_path: Path
) -> None:
    labels = stored_labels(store, tmp_path)
    model = finished_run(store, tmp_path, labels, seed=1)
    report = evaluated(store, tmp_path, labels, model, share=0.5)
    settings = WorkSettings(work_dir=tmp_path / "machine")
    fetch_dataset(store, labels.snapshot_digest, tmp_path / "data", BlobCache.of(settings))
    page = write_page(counted, model, report, settings)
    assert not [request for request in proxy.counted() if keys.blobs() in request]
    elsewhere = write_page(counted, model, report, WorkSettings(work_dir=tmp_path / "another"))
    assert [request for request in proxy.counted() if keys.blobs() in request]
    assert elsewhere == page
