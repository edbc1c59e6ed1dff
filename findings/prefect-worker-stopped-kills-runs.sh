#!/usr/bin/env bash
# Prefect 3.9.1: a process worker that is asked to stop kills its flow runs, and one that is killed lets them finish.
#
# One would guess: on SIGTERM a worker takes no further flow runs and waits for those that it has, or at least hands SIGTERM
#   on to them, so that they can clean up. Prefect's source says "stops dequeueing new flow runs, and runs until the
#   subprocesses finish".
# Seen: within a second the process of the flow run is gone by SIGKILL, without SIGTERM before: no `except`, no `finally` of
#   the flow runs. The server keeps the run as Running. A worker that ends by SIGKILL itself leaves its flow run alone, which
#   completes.
# Why it matters: systemd, Docker and Kubernetes send SIGTERM first. A training that would write a checkpoint cannot. Who
#   stops a worker has to ask its flow runs first, and keep it from taking others meanwhile.
set -euo pipefail
here=$(mktemp -d)
trap 'rm -rf "$here"' EXIT
python3.11 -m venv "$here/venv"
"$here/venv/bin/pip" install --quiet --disable-pip-version-check prefect==3.9.1
export HOME=$here PREFECT_HOME=$here/home DO_NOT_TRACK=1 PREFECT_SERVER_ANALYTICS_ENABLED=false PREFECT_LOGGING_LEVEL=CRITICAL
export PREFECT_WORKER_QUERY_SECONDS=1 PYTHONPATH=$here
cat > "$here/story.py" <<'PYTHON'
import time
from pathlib import Path

from prefect import flow


@flow
def story(folder: str):
    marks = Path(folder)
    (marks / "began").touch()
    try:
        time.sleep(20)
        (marks / "finished").touch()
    except BaseException:
        (marks / "asked").touch()
        raise
    finally:
        (marks / "cleaned-up").touch()
PYTHON

"$here/venv/bin/python" - "$here" <<'PYTHON'
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import suppress
from pathlib import Path

import prefect
from story import story
from prefect.client.orchestration import get_client

print("prefect", prefect.__version__)
here = Path(sys.argv[1])
with socket.socket() as free:
    free.bind(("127.0.0.1", 0))
    port = free.getsockname()[1]
os.environ["PREFECT_API_URL"] = f"http://127.0.0.1:{port}/api"
quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
command = [sys.executable, "-m", "uvicorn", "--factory", "prefect.server.api.server:create_app"]
server = subprocess.Popen([*command, "--host", "127.0.0.1", "--port", str(port)], **quiet)


def wait_for(condition):
    for _ in range(600):
        with suppress(OSError):
            if condition():
                return
        time.sleep(0.2)
    raise SystemExit("it did not happen")


def ended_by(number):
    """What a flow run left behind whose worker got a signal, and its state on the server half a minute later."""
    marks = here / number.name
    marks.mkdir()
    with get_client(sync_client=True) as client:
        deployment = client.read_deployment_by_name("story/story").id
        run = client.create_flow_run_from_deployment(deployment, parameters={"folder": str(marks)})
        prefect_command = [sys.executable, "-m", "prefect", "worker", "start", "--pool", "pool"]
        worker = subprocess.Popen(prefect_command, **quiet)
        wait_for(lambda: (marks / "began").exists())
        worker.send_signal(number)
        worker.wait()
        time.sleep(30)
        return sorted(mark.name for mark in marks.iterdir()), client.read_flow_run(run.id).state.name


try:
    wait_for(lambda: urllib.request.urlopen(f"{os.environ['PREFECT_API_URL']}/health", timeout=5))
    subprocess.run([sys.executable, "-m", "prefect", "work-pool", "create", "pool", "--type", "process"], check=True, **quiet)
    with get_client(sync_client=True) as client:
        flow = client.create_flow(story)
        client.create_deployment(flow, "story", work_pool_name="pool", entrypoint="story.story", enforce_parameter_schema=False)
    seen = {number.name: ended_by(number) for number in (signal.SIGTERM, signal.SIGKILL)}
finally:
    server.terminate()
    server.wait()
for number, (marks, state) in seen.items():
    print(f"worker got {number}: the flow run left {', '.join(marks)}; its state is {state}")
assert seen["SIGKILL"] == (["began", "cleaned-up", "finished"], "Completed"), seen
assert seen["SIGTERM"][0] == ["began"], seen
print("as described")
PYTHON
