#!/usr/bin/env bash
# Prefect 3.9.1: switching a schedule off and on again empties the parameters that its runs were to have.
#
# One would guess: PATCH /deployments/{id}/schedules/{id} with {"active": false} changes "active" and nothing else, as a
#   PATCH does, and as PATCH /deployments/{id} of the same server does.
# Seen: "active" is set, and "parameters" is {} afterwards, though it was not sent. "slug" and the times stay.
# Why it matters: one deployment with a schedule for each project, where each schedule has the parameters of its project,
#   is how one flow serves many projects. A pause over a holiday leaves a schedule without its request: every later run
#   has the wrong parameters, or none, and nothing says so. A client has to send all fields, the parameters among them.
set -euo pipefail
here=$(mktemp -d)
trap 'kill "${server:-}" 2>/dev/null || true; wait 2>/dev/null || true; rm -rf "$here"' EXIT
python3.11 -m venv "$here/venv"
"$here/venv/bin/pip" install --quiet --disable-pip-version-check prefect==3.9.1

export HOME=$here PREFECT_HOME=$here/prefect PREFECT_SERVER_ANALYTICS_ENABLED=false DO_NOT_TRACK=1
port=$("$here/venv/bin/python" -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
export PREFECT_API_URL=http://127.0.0.1:$port/api
"$here/venv/bin/prefect" server start --host 127.0.0.1 --port "$port" --no-ui >"$here/server.log" 2>&1 &
server=$!

"$here/venv/bin/python" - <<'PYTHON'
import sys
import time

import httpx
import prefect
from prefect.settings import PREFECT_API_URL

print("prefect", prefect.__version__)
api = httpx.Client(base_url=PREFECT_API_URL.value(), timeout=60)
for _ in range(600):
    try:
        api.get("/health").raise_for_status()
        break
    except httpx.HTTPError:
        time.sleep(0.5)

flow = api.post("/flows/", json={"name": "train"}).json()["id"]
schedule = {
    "schedule": {"cron": "0 3 * * *", "timezone": "UTC"}, "active": True, "slug": "cats",
    "parameters": {"project": "cats"},
}
body = {"name": "train", "flow_id": flow, "schedules": [schedule], "parameters": {"epochs": 3},
        "enforce_parameter_schema": False}
deployment = api.post("/deployments/", json=body).json()


def read():
    (one,) = api.get(f"/deployments/{deployment['id']}/schedules").json()
    return {name: one[name] for name in ("active", "slug", "parameters")} | {"cron": one["schedule"]["cron"]}


address = f"/deployments/{deployment['id']}/schedules/{deployment['schedules'][0]['id']}"
before = read()
print("before:            ", before)
api.patch(address, json={"active": False}).raise_for_status()
api.patch(address, json={"active": True}).raise_for_status()
after = read()
print("off and on again:  ", after)
api.patch(f"/deployments/{deployment['id']}", json={"paused": True}).raise_for_status()
of_deployment = api.get(f"/deployments/{deployment['id']}").json()["parameters"]
print("a PATCH of the deployment with {'paused': true} leaves its own parameters:", of_deployment)
if of_deployment != {"epochs": 3}:
    sys.exit("CHANGED: a PATCH of the deployment loses parameters, too")
if before["parameters"] != {"project": "cats"} or after != {**before, "parameters": {}}:
    sys.exit("CHANGED: the parameters are kept, or something else is lost")
print("as described")
PYTHON
