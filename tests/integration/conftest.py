"""A real store for all integration tests, and a prefix of it for each."""

import fcntl
import sys
import uuid
from collections.abc import Iterator

import pytest
from pydantic_settings import SettingsConfigDict

from deployments.local_stack.seaweed import Seaweed
from tasks.settings import StoreSettings
from tasks.storage.s3 import Store
from tests.fakes.exported import Exported, export_network
from tests.fakes.store_roles import store_variables
from tests.integration.prefect_server import PrefectServer

LONGEST_FIRST = (
    "test_worker", "test_questions", "test_cli", "test_devices", "test_training_in_store",
    "test_trainer_jobs", "test_trainer_resume", "test_flow_run_verbs", "test_store_policies", "test_trainer",
    "test_serve", "test_recovery", "test_clean", "test_judging", "test_relabel", "test_half_precision_parity",
    "test_notifications", "test_upgrade", "test_detect", "test_settings_study", "test_leases",
    "test_memory_safety", "test_fit", "test_suggest", "test_metrics", "test_model_formats", "test_weights",
    "test_deploy", "test_proxy", "test_bad_store", "test_store", "test_threads_in_flow_runs",
)  # fmt: skip
"""Files that take a minute or more on a busy machine come first, so that parallel test processes end together."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Sort by file; within a file the order stays."""
    ranks = {name: rank for rank, name in enumerate(LONGEST_FIRST)}
    items.sort(key=lambda item: ranks.get(item.path.stem, len(ranks)))


@pytest.fixture(scope="module", autouse=True)
def no_events_left() -> Iterator[None]:
    """Fails for a file that leaves a thread of Prefect's behind: the next server's events would wait for its server."""
    yield
    worker = sys.modules.get("prefect.events.worker")
    assert worker is None or not worker.EventsWorker._instances


@pytest.fixture(scope="session")
def seaweed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Seaweed]:
    """The server, started once."""
    with Seaweed(tmp_path_factory.mktemp("seaweed"), bucket="tests") as server:
        yield server


@pytest.fixture
def kernel_kills_alone(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Iterator[None]:
    """Of the tests that have this, one at a time.

    The kernel counts whom it killed for want of memory, for the whole machine. A trainer that a test kills meanwhile
    is taken for another one of them.
    """
    base = tmp_path_factory.getbasetemp()
    with (base if worker_id == "master" else base.parent).joinpath("kernel-kills.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@pytest.fixture(scope="session")
def exported(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Exported:
    """A network after 48 steps, which detects some of the drawn discs and squares, in all formats.

    The first test process that needs it makes it, in a folder of all of them.
    """
    base = tmp_path_factory.getbasetemp()
    folder = (base if worker_id == "master" else base.parent) / "exported"
    folder.mkdir(exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        return export_network(folder)


class NamedStoreSettings(StoreSettings):
    """Settings of a store that whoever runs the tests names."""

    model_config = SettingsConfigDict(env_prefix="NASFLOW_TEST_STORE_")


@pytest.fixture(scope="session")
def server_settings(request: pytest.FixtureRequest) -> StoreSettings:
    """Settings of the store that NASFLOW_TEST_STORE_ENDPOINT and its like name; else of our own server."""
    named = NamedStoreSettings()
    return named if named.endpoint else request.getfixturevalue("seaweed").settings()


@pytest.fixture
def store_settings(server_settings: StoreSettings) -> StoreSettings:
    """Settings of a prefix of the store that no other test uses."""
    return server_settings.model_copy(update={"prefix": f"{server_settings.prefix}{uuid.uuid4().hex}/"})


@pytest.fixture
def store(store_settings: StoreSettings) -> Store:
    """An empty store."""
    return Store(store_settings)


@pytest.fixture
def store_environment(store_settings: StoreSettings) -> dict[str, str]:
    """The environment variables that name the store."""
    return store_variables(store_settings)


@pytest.fixture(scope="session")
def prefect_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrefectServer]:
    """A Prefect server without workers, started once."""
    with PrefectServer(tmp_path_factory.mktemp("prefect")) as server:
        yield server
