"""A real store for all integration tests, and a corner of it for each."""

import uuid
from collections.abc import Iterator

import pytest

from deployments.seaweed import Seaweed
from tasks.settings import StoreSettings
from tasks.storage.s3 import Store


@pytest.fixture(scope="session")
def seaweed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Seaweed]:
    """The server, started once."""
    with Seaweed(tmp_path_factory.mktemp("seaweed"), bucket="tests") as server:
        yield server


@pytest.fixture
def store_settings(seaweed: Seaweed) -> StoreSettings:
    """Settings of a corner of the store that no other test uses."""
    return seaweed.settings().model_copy(update={"prefix": f"{uuid.uuid4().hex}/"})


@pytest.fixture
def store(store_settings: StoreSettings) -> Store:
    """An empty store."""
    return Store(store_settings)
