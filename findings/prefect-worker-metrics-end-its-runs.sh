#!/usr/bin/env bash
# Prefect 3.9.1: metrics of a worker, switched on, end the flow runs that the worker starts.
#
# One would guess: PREFECT_CLIENT_METRICS_ENABLED=true on a process worker makes the worker serve its metrics on port 4201.
#   The flow runs that it starts go on as before, or serve metrics only if they are asked to.
# Seen: the worker hands its settings on to the process of each flow run, which then wants to serve metrics on the same port.
#   That is taken by the worker, so that the process ends before the flow's first line, and the run is Crashed.
# Why it matters: metrics are switched on once all works, on the machine where it works, and from then on no flow run starts
#   there. A deployment has to switch them off for its runs, by job_variables.
set -euo pipefail
here=$(mktemp -d)
trap 'rm -rf "$here"' EXIT
python3.11 -m venv "$here/venv"
"$here/venv/bin/pip" install --quiet --disable-pip-version-check prefect==3.9.1
export HOME=$here PREFECT_HOME=$here/home DO_NOT_TRACK=1 PREFECT_SERVER_ANALYTICS_ENABLED=false
export PREFECT_WORKER_QUERY_SECONDS=1 PYTHONPATH=$here
cat > "$here/story.py" <<'PYTHON'
from pathlib import Path

from prefect import flow


@flow
def story(mark: str):
    Path(mark).touch()
PYTHON

"$here/venv/bin/python" - "$here" <<'PYTHON'
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import redirect_stdout, suppress
from io import StringIO
from pathlib import Path

os.environ["PREFECT_LOGGING_LEVEL"] = "CRITICAL"
import prefect
from prefect.client.orchestration import get_client
from story import story

print("prefect", prefect.__version__)
here = Path(sys.argv[1])


def free_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


port = free_port()
os.environ["PREFECT_API_URL"] = f"http://127.0.0.1:{port}/api"
quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
command = [sys.executable, "-m", "uvicorn", "--factory", "prefect.server.api.server:create_app"]
server = subprocess.Popen([*command, "--host", "127.0.0.1", "--port", str(port)], **quiet)


def wait_for(condition):
    for _ in range(600):
        with suppress(OSError):
            if result := condition():
                return result
        time.sleep(0.2)
    raise SystemExit("it did not happen")


def end_of_run(job_variables, **settings):
    """Name of the last state of a flow run whose worker has such settings, and whether its first line was reached."""
    with redirect_stdout(StringIO()):
        story.from_source(str(here), "story.py:story").deploy(
            "story", work_pool_name="pool", job_variables=job_variables, print_next_steps=False, ignore_warnings=True
        )
    with get_client(sync_client=True) as client:
        worker = subprocess.Popen(
            [sys.executable, "-m", "prefect", "worker", "start", "--pool", "pool", "--type", "process"],
            env=os.environ | settings, start_new_session=True, **quiet,
        )
        deployment = client.read_deployment_by_name("story/story").id
        mark = here / f"mark-{len(seen)}"
        run = client.create_flow_run_from_deployment(deployment, parameters={"mark": str(mark)}).id
        state = wait_for(lambda: (one := client.read_flow_run(run).state) and one.is_final() and one.name)
        os.killpg(worker.pid, signal.SIGKILL)
        worker.wait()
    return state, mark.exists()


seen = []
try:
    wait_for(lambda: urllib.request.urlopen(os.environ["PREFECT_API_URL"] + "/health").status == 200)
    subprocess.run(
        [sys.executable, "-m", "prefect", "work-pool", "create", "pool", "--type", "process"], check=True, **quiet
    )
    on = {"PREFECT_CLIENT_METRICS_ENABLED": "true", "PREFECT_CLIENT_METRICS_PORT": str(free_port())}
    off = {"env": {"PREFECT_CLIENT_METRICS_ENABLED": "false"}}
    for name, variables, settings in (("off", {}, {}), ("on", {}, on), ("on, off for the run", off, on)):
        seen.append(end_of_run(variables, **settings))
        print(f"metrics of the worker {name}: flow run {seen[-1][0]}, first line reached: {seen[-1][1]}")
finally:
    server.terminate()
    server.wait()
assert seen == [("Completed", True), ("Crashed", False), ("Completed", True)], "the behaviour has changed"
print("as described")
PYTHON
