"""Holders of leases. ``python -m tests.fakes.lease_holders RUN_KEY SECONDS``: one in a process of its own.

It says "holding" once it has the lease. For each line of its input it writes an object to the run and says "written",
until it says "lost".
"""

import sys

from tasks.errors import WorkerLost
from tasks.records import LeaseHolder
from tasks.storage import keys
from tasks.storage.leases import wait_for_lease
from tasks.storage.s3 import Store


def holder(flow_run: str, attempt: int = 1) -> LeaseHolder:
    return LeaseHolder(flow_run=flow_run, attempt=attempt, process=f"{flow_run}.{attempt}", place="a test")


def hold_and_write(run_key: str, seconds: float) -> None:
    with wait_for_lease(Store.from_environment(), run_key, holder("another process"), seconds) as lease:
        print("holding", flush=True)
        for line in sys.stdin:
            try:
                lease.store.put(f"{keys.run(run_key)}{line.strip()}", b"x")
            except WorkerLost as error:
                print(f"lost: {error}", flush=True)
                return
            print("written", flush=True)


if __name__ == "__main__":
    hold_and_write(sys.argv[1], float(sys.argv[2]))
