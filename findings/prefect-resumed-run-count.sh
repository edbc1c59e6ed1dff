#!/usr/bin/env bash
# Prefect 3.9.1: a suspended flow run that is resumed starts in a new process, and its run count stays what it was.
#
# One would guess: run_count says how often a flow run was started. A run that waits with suspend_flow_run has no process;
#   after the answer a new process begins the flow from its first line, so its run_count is 2, as it is after a retry.
# Seen: two processes, both with run_count 1, and 1 on the server in the end.
# Why it matters: run_count is the only number by which a process can tell whether the flow run is still its own, or was
#   started again elsewhere, and by which a step can name what it wrote in this start. After a suspension it tells neither.
set -euo pipefail
here=$(mktemp -d)
trap 'kill ${serve:-} ${server:-} 2>/dev/null || true; wait 2>/dev/null || true; rm -rf "$here"' EXIT
python3.11 -m venv "$here/venv"
"$here/venv/bin/pip" install --quiet --disable-pip-version-check prefect==3.9.1

export HOME=$here PREFECT_HOME=$here/prefect PREFECT_SERVER_ANALYTICS_ENABLED=false DO_NOT_TRACK=1
port=$("$here/venv/bin/python" -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
export PREFECT_API_URL=http://127.0.0.1:$port/api STARTS=$here/starts
"$here/venv/bin/prefect" server start --host 127.0.0.1 --port "$port" --no-ui >"$here/server.log" 2>&1 &
server=$!

cat >"$here/ask.py" <<'PYTHON'
import os
import time

import httpx
from prefect import flow
from prefect.flow_runs import suspend_flow_run
from prefect.runtime import flow_run


@flow(persist_result=True)
def ask():
    with open(os.environ["STARTS"], "a") as file:
        file.write(f"process {os.getpid()} run_count {flow_run.run_count}\n")
    suspend_flow_run(wait_for_input=str, key="answer", timeout=600)


if __name__ == "__main__":
    while True:
        try:
            httpx.get(os.environ["PREFECT_API_URL"] + "/health").raise_for_status()
            break
        except httpx.HTTPError:
            time.sleep(0.5)
    ask.serve(name="ask")
PYTHON
(cd "$here" && exec "$here/venv/bin/python" ask.py) >"$here/serve.log" 2>&1 &
serve=$!

"$here/venv/bin/python" - <<'PYTHON'
import os
import sys
import time
from pathlib import Path

import httpx
import prefect
from prefect.settings import PREFECT_API_URL

print("prefect", prefect.__version__)
api = httpx.Client(base_url=PREFECT_API_URL.value(), timeout=60)


def wait_for(condition):
    for _ in range(600):
        try:
            if value := condition():
                return value
        except (httpx.HTTPError, KeyError):
            pass
        time.sleep(0.5)
    sys.exit("nothing happened for five minutes")


deployment = wait_for(lambda: api.get("/deployments/name/ask/ask").json()["id"])
run = wait_for(lambda: api.post(f"/deployments/{deployment}/create_flow_run", json={}).json()["id"])
state = lambda: api.get(f"/flow_runs/{run}").json()
wait_for(lambda: state()["state"]["name"] == "Suspended")
print("suspended:   run_count", state()["run_count"])
body = {"run_input": {"value": "yes"}}
wait_for(lambda: api.post(f"/flow_runs/{run}/resume", json=body).json()["status"] == "ACCEPT")
ended = wait_for(lambda: state() if state()["state"]["type"] in ("COMPLETED", "FAILED", "CRASHED") else None)
print(f"{ended['state']['name'].lower()}:   run_count", ended["run_count"])
starts = [line.split() for line in Path(os.environ["STARTS"]).read_text().splitlines()]
for start in starts:
    print(" ".join(start))
processes, counts = {start[1] for start in starts}, {start[3] for start in starts}
if ended["state"]["type"] != "COMPLETED" or len(processes) != 2 or counts != {"1"} or ended["run_count"] != 1:
    sys.exit("CHANGED: the resumed run counts as started again, or it did not start in a second process")
print("as described")
PYTHON
