#!/usr/bin/env bash
# Prefect 3.9.1: a process that changes its server loses the task runs of its flows, though both servers are up.
#
# One would guess: `temporary_settings({PREFECT_API_URL: ...})`, which Prefect's own test harness uses, sends all that a flow
#   does to that server: the flow run, its task runs, its events.
# Seen: the flow run is made at the second server and is Completed there, with no task run, and the first server has none
#   either. Task runs are recorded from events. The thread that sends events is kept for the process, with its clients of
#   the first server: it asks that one about the flow run, which it does not know, and drops the event with a line in the log
#   that names no server. After `EventsWorker.drain_all(at_exit=False)` between the two, the task run is where one expects it.
# Why it matters: tests that start a server a file, and programs that serve several workspaces, lose task runs, and so all
#   that reads them: the timeline in the UI, durations, automations on task runs. The flows themselves succeed.
set -euo pipefail
here=$(mktemp -d)
trap 'rm -rf "$here"' EXIT
python3.11 -m venv "$here/venv"
"$here/venv/bin/pip" install --quiet --disable-pip-version-check prefect==3.9.1
export HOME=$here PREFECT_HOME=$here/home DO_NOT_TRACK=1 PREFECT_SERVER_ANALYTICS_ENABLED=false PREFECT_LOGGING_LEVEL=CRITICAL

"$here/venv/bin/python" - "$here" <<'PYTHON'
import os
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import suppress

import prefect
from prefect import flow, task
from prefect.client.orchestration import get_client
from prefect.events.worker import EventsWorker
from prefect.settings import PREFECT_API_URL, temporary_settings

print("prefect", prefect.__version__)
here = sys.argv[1]


@task
def step():
    return 1


@flow
def story():
    step()
    return prefect.runtime.flow_run.id


def start(name):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    database = f"sqlite+aiosqlite:///{here}/{name}.db"
    command = [sys.executable, "-m", "uvicorn", "--factory", "prefect.server.api.server:create_app"]
    command += ["--host", "127.0.0.1", "--port", str(port), "--log-level", "error"]
    environment = {**os.environ, "PREFECT_SERVER_DATABASE_CONNECTION_URL": database, "PREFECT_HOME": f"{here}/{name}"}
    server = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    url = f"http://127.0.0.1:{port}/api"
    for _ in range(600):
        with suppress(OSError), urllib.request.urlopen(f"{url}/health", timeout=5):
            return server, url
        time.sleep(0.2)
    raise SystemExit("a server did not start")


def task_runs_at(url, run):
    """Names of the task runs that a server has of a flow run, a while after it ended."""
    time.sleep(8)
    with temporary_settings({PREFECT_API_URL: url}), get_client(sync_client=True) as client:
        found = client.read_task_runs()
        return sorted(one.name.split("-")[0] for one in found if str(one.flow_run_id) == str(run))


def run_at(url):
    with temporary_settings({PREFECT_API_URL: url}):
        return story()


servers = [start("first"), start("second")]
try:
    (_, first), (_, second) = servers
    one, other = run_at(first), run_at(second)
    seen = {
        "run of the first server: task runs at the first": task_runs_at(first, one),
        "run of the second server: task runs at the second": task_runs_at(second, other),
        "run of the second server: task runs at the first": task_runs_at(first, other),
    }
    EventsWorker.drain_all(at_exit=False)
    again = run_at(second)
    seen["run of the second server after drain_all: task runs at the second"] = task_runs_at(second, again)
finally:
    EventsWorker.drain_all(at_exit=False)
    for server, _ in servers:
        server.terminate()
        server.wait()
for what, names in seen.items():
    print(f"{what}: {', '.join(names) or 'none'}")
assert list(seen.values()) == [["step"], [], [], ["step"]], seen
print("as described")
PYTHON
