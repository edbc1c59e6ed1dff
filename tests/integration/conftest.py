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


@pytest.fixture
def store_environment(store_settings: StoreSettings) -> dict[str, str]:
    values = store_settings.model_dump(exclude={"secret_access_key", "ca_bundle"})
    secret = store_settings.secret_access_key.get_secret_value()
    return {f"NASFLOW_STORE_{name}".upper(): str(v) for name, v in {**values, "secret_access_key": secret}.items()}
