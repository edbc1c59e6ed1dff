"""``python -m tests.fakes.flow_with_lease``: a real flow run, and the lines that it has at the server, as JSON.

In the flow run the lease cannot be renewed for a while, and a thread that deletes an object has to sign in again.
"""

import json
import logging
import time

from prefect import flow
from prefect.client.orchestration import get_client
from prefect.flow_engine import run_flow
from prefect.states import Pending, Scheduled
from prefect.testing.utilities import prefect_test_harness
from pydantic import SecretStr

from tasks.orchestration.retries import step
from tasks.settings import StoreSettings
from tasks.storage.leases import wait_for_lease
from tasks.storage.s3 import Store
from tasks.training.task import lease_holder
from tests.fakes.bad_store import BUCKET, BadStore

RUN = "a" * 64
DENIED = (403, "ExpiredToken")


@step("hold a lease")
def hold(bad_store: BadStore) -> None:
    store = Store(
        StoreSettings(endpoint=bad_store.endpoint, bucket=BUCKET, access_key_id="k", secret_access_key=SecretStr("s"))
    )
    with wait_for_lease(store, RUN, lease_holder(), 3):
        logging.getLogger("tasks.test").info("holder: %s", lease_holder())
        bad_store.every_answer = (503, "SlowDown")
        seen = len(bad_store.requests)
        while len(bad_store.requests) < seen + 2:
            time.sleep(0.05)
        bad_store.every_answer = None
    bad_store.next_answers = [DENIED]
    store.delete(["one", "two"])


@flow
def train_a_little() -> None:
    with BadStore() as bad_store:
        hold(bad_store)


def run_twice() -> str:
    """Run one flow run, and once more as after a crash."""
    with get_client(sync_client=True) as client:
        created = client.create_flow_run(train_a_little, state=Pending())
        run_flow(train_a_little, flow_run=created)
        client.set_flow_run_state(created.id, Scheduled(name="AwaitingRetry"), force=True)
        client.set_flow_run_state(created.id, Pending(), force=True)
        run_flow(train_a_little, flow_run=client.read_flow_run(created.id))
    return str(created.id)


def lines_at_server(run: str) -> list[str]:
    """The lines of the flow run, once the last one has arrived."""
    wanted = {"limit": 200, "logs": {"flow_run_id": {"any_": [run]}}}
    deadline = time.monotonic() + 60
    while True:
        with get_client(sync_client=True) as client:
            lines = [line["message"] for line in client._client.post("/logs/filter", json=wanted).json()]
        if sum("signing in again" in line for line in lines) == 2 or time.monotonic() > deadline:
            return lines
        time.sleep(0.5)


if __name__ == "__main__":
    with prefect_test_harness(server_startup_timeout=300):
        print(json.dumps(lines_at_server(run_twice())))
