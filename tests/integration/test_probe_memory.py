"""How often a machine tries its store."""

import os
import time
from pathlib import Path

import pytest
from pydantic import SecretStr

from tasks.errors import StoreError
from tasks.settings import StoreSettings
from tasks.storage.probe_memory import probe_daily
from tasks.storage.s3 import Store
from tests.fakes.bad_store import BUCKET, BadStore


def store_of(bad_store: BadStore, **settings: object) -> Store:
    known = {"endpoint": bad_store.endpoint, "bucket": BUCKET, "access_key_id": "k", "prefix": "a"}
    return Store(StoreSettings.model_validate({**known, "secret_access_key": SecretStr("s3cret"), **settings}))


def test_a_store_that_was_found_good_is_not_tried_again_for_a_day(tmp_path: Path) -> None:
    with BadStore() as bad_store:
        probe_daily(store_of(bad_store), tmp_path)
        requests = len(bad_store.requests)
        assert requests > 10
        probe_daily(store_of(bad_store), tmp_path)
        assert len(bad_store.requests) == requests

        [mark] = (tmp_path / "probed").iterdir()
        for seconds in (-3600, 25 * 3600):  # made by a clock that was wrong; too long ago
            os.utime(mark, (time.time() - seconds,) * 2)
            requests = len(bad_store.requests)
            probe_daily(store_of(bad_store), tmp_path)
            assert len(bad_store.requests) > requests


@pytest.mark.parametrize("change", [{"prefix": "b"}, {"access_key_id": "other"}, {"encryption": "AES256"}])
def test_other_settings_are_another_store_to_try(tmp_path: Path, change: dict[str, str]) -> None:
    with BadStore() as bad_store:
        probe_daily(store_of(bad_store), tmp_path)
        requests = len(bad_store.requests)
        probe_daily(store_of(bad_store, **change), tmp_path)
        assert len(bad_store.requests) > requests


def test_a_store_that_was_refused_is_tried_again(tmp_path: Path) -> None:
    with BadStore() as bad_store:
        bad_store.ignore_conditions = True
        for _ in range(2):
            with pytest.raises(StoreError, match="ignores If-None-Match"):
                probe_daily(store_of(bad_store), tmp_path)
        bad_store.ignore_conditions = False
        probe_daily(store_of(bad_store), tmp_path)


def test_what_is_remembered_tells_no_secret(tmp_path: Path) -> None:
    with BadStore() as bad_store:
        probe_daily(store_of(bad_store), tmp_path)
        probe_daily(store_of(bad_store, secret_access_key=SecretStr("an0ther")), tmp_path)
    [mark] = (tmp_path / "probed").iterdir()
    assert mark.read_bytes() == b""
