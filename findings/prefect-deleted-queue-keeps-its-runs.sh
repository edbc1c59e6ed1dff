#!/usr/bin/env bash
# Prefect 3.9.1: who deletes a work queue loses the runs that wait in it, and its deployments lose their work pool.
#
# One would guess: a queue is a priority within a pool. Deleted, what waits in it comes into the queue "default" of the pool;
#   at least a new queue of that name takes it up, or the request is refused while runs wait.
# Seen: the runs stay Scheduled with no pool and no queue, and still say the name of the queue. A new queue of the same name
#   does not get them. The deployment has no pool, either, still says the queue's name, and takes further requests for runs:
#   each is answered with 201, is Scheduled, and is offered to no worker. Once the deployment is put in its queue again, runs
#   that are asked for from then on are offered, and the others are not. The same happens where the whole pool is deleted and
#   made anew, as to change its type.
# Why it matters: tidying up queues stops work for ever, without a run that fails, is late in a pool, or is in a log. What
#   watches queues sees an empty one. Who deletes a queue or a pool has to cancel what waits there, ask for it again, and set
#   both names of each deployment; a check has to look for due runs without a pool.
set -euo pipefail
here=$(mktemp -d)
trap 'rm -rf "$here"' EXIT
python3.11 -m venv "$here/venv"
"$here/venv/bin/pip" install --quiet --disable-pip-version-check prefect==3.9.1
export HOME=$here PREFECT_HOME=$here/home DO_NOT_TRACK=1 PREFECT_SERVER_ANALYTICS_ENABLED=false PREFECT_LOGGING_LEVEL=CRITICAL
"$here/venv/bin/python" - <<'PYTHON'
import json
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import suppress
from importlib.metadata import version

print("prefect", version("prefect"))
with socket.socket() as free:
    free.bind(("127.0.0.1", 0))
    port = free.getsockname()[1]
url = f"http://127.0.0.1:{port}/api"
quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
command = [sys.executable, "-m", "uvicorn", "--factory", "prefect.server.api.server:create_app"]
server = subprocess.Popen([*command, "--host", "127.0.0.1", "--port", str(port)], **quiet)


def ask(path, body=None, method=None):
    data = None if body is None else json.dumps(body).encode()
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(url + path, data, headers, method=method or ("GET" if body is None else "POST"))
    for _ in range(20):
        try:
            with urllib.request.urlopen(request) as answer:
                return json.loads(answer.read() or "null")
        except urllib.error.HTTPError as error:
            if error.code != 503:  # which it answers while SQLite is busy
                raise
            time.sleep(0.5)
    raise SystemExit("the server stays busy")


def place(path):
    found = ask(path)
    return found["work_pool_name"], found["work_queue_name"], found["work_queue_id"] is not None


def offered():
    """The runs that a worker of all queues of the pool is given."""
    return {one["flow_run"]["id"] for one in ask("/work_pools/gpus/get_scheduled_flow_runs", {})}


try:
    for _ in range(1500):
        with suppress(OSError):
            if urllib.request.urlopen(url + "/health").status == 200:
                break
        time.sleep(0.2)
    flow = ask("/flows/", {"name": "train"})["id"]
    ask("/work_pools/", {"name": "gpus", "type": "process"})
    ask("/work_pools/gpus/queues", {"name": "urgent", "priority": 1})
    request = {"name": "train", "flow_id": flow, "work_pool_name": "gpus", "work_queue_name": "urgent"}
    deployment = ask("/deployments/", request)["id"]
    first = ask(f"/deployments/{deployment}/create_flow_run", {})["id"]
    assert offered() == {first}

    ask("/work_pools/gpus/queues/urgent", method="DELETE")
    second = ask(f"/deployments/{deployment}/create_flow_run", {})["id"]
    ask("/work_pools/gpus/queues", {"name": "urgent", "priority": 1})
    for name, path in (("deployment", f"/deployments/{deployment}"), ("waiting run", f"/flow_runs/{first}"),
                       ("run asked for since", f"/flow_runs/{second}")):
        print(f"{name}: pool, queue, is in a queue: {place(path)}")
        assert place(path) == (None, "urgent", False), "the behaviour has changed"
    states = [ask(f"/flow_runs/{run}")["state"]["name"] for run in (first, second)]
    print(f"states {states}, offered to workers: {len(offered())}")
    assert (states, offered()) == (["Scheduled", "Scheduled"], set()), "the behaviour has changed"

    ask(f"/deployments/{deployment}", {"work_pool_name": "gpus", "work_queue_name": "urgent"}, "PATCH")
    assert place(f"/deployments/{deployment}") == ("gpus", "urgent", True)
    assert offered() == set(), "the behaviour has changed"
    third = ask(f"/deployments/{deployment}/create_flow_run", {})["id"]
    assert offered() == {third}
    print("the deployment in its queue again: of three runs that are due, a worker is offered the last one")
finally:
    server.terminate()
    server.wait()
print("as described")
PYTHON
