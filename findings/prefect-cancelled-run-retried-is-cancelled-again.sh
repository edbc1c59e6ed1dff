#!/usr/bin/env bash
# Prefect 3.9.1: a flow run that was cancelled and is retried within a minute can be cancelled a second time, by nobody.
#
# One would guess: cancelling ends the attempt that was running. What a worker does about a later attempt follows from the
#   state that the flow run has then.
# Seen: what a worker watches for Cancelling with (FlowRunCancellingObserver) subscribes to events, and the server plays the
#   last minute of them to each new subscriber. The observer does not ask when an event occurred or which state the run has
#   now: for a run that is Running again, 20 seconds after its cancellation ended, it asks for the process to be ended.
#   Whether that hits depends on whether the events or the process of the new attempt come first, so on how busy a machine
#   is: on an idle one the event comes while no process is known yet, and is passed over.
# Why it matters: a retry soon after a cancel works on the developer's machine, and on a busy worker it ends as Crashed or
#   Cancelled seconds after its start. Who retries a cancelled run has to wait until the event is more than a minute old,
#   counted from when a worker takes the run, ten seconds before it is due.
set -euo pipefail
here=$(mktemp -d)
trap 'rm -rf "$here"' EXIT
python3.11 -m venv "$here/venv"
"$here/venv/bin/pip" install --quiet --disable-pip-version-check prefect==3.9.1
export HOME=$here PREFECT_HOME=$here/home DO_NOT_TRACK=1 PREFECT_SERVER_ANALYTICS_ENABLED=false PREFECT_LOGGING_LEVEL=CRITICAL
"$here/venv/bin/python" - <<'PYTHON'
import asyncio
import os
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import suppress

import prefect
from prefect import flow
from prefect._internal.observers import FlowRunCancellingObserver
from prefect.client.orchestration import get_client
from prefect.states import AwaitingRetry, Cancelled, Cancelling, Pending, Running

print("prefect", prefect.__version__)
with socket.socket() as free:
    free.bind(("127.0.0.1", 0))
    port = free.getsockname()[1]
os.environ["PREFECT_API_URL"] = f"http://127.0.0.1:{port}/api"
quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
command = [sys.executable, "-m", "uvicorn", "--factory", "prefect.server.api.server:create_app"]
server = subprocess.Popen([*command, "--host", "127.0.0.1", "--port", str(port)], **quiet)


@flow
def story():
    pass


async def asked_to_end(waited):
    """Runs that a new observer wants ended, after one was cancelled, retried, and is Running again since `waited` s."""
    async with get_client() as client:
        run = await client.create_flow_run(story, state=Pending())
        for state in (Running(), Cancelling(), Cancelled(), AwaitingRetry(), Pending(), Running()):
            await client.set_flow_run_state(run.id, state, force=True)
        await asyncio.sleep(waited)
        asked = []
        observer = FlowRunCancellingObserver(on_cancelling=asked.append)
        observer.add_in_flight_flow_run_id(run.id)
        async with observer:
            await asyncio.sleep(10)
        now = (await client.read_flow_run(run.id)).state.name
        print(f"cancelled {waited} s before the observer began: state {now}, asked to be ended: {run.id in asked}")
        return now, run.id in asked


try:
    for _ in range(300):
        with suppress(OSError):
            if urllib.request.urlopen(os.environ["PREFECT_API_URL"] + "/health").status == 200:
                break
        time.sleep(0.2)
    seen = [asyncio.run(asked_to_end(waited)) for waited in (20, 75)]
finally:
    server.terminate()
    server.wait()
assert seen == [("Running", True), ("Running", False)], "the behaviour has changed"
print("as described")
PYTHON
