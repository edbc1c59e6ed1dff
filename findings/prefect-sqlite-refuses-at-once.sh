#!/usr/bin/env bash
# Prefect 3.9.1 on SQLite: one client that makes calls one by one gets 503 answers, and each costs it two seconds.
#
# One would guess: the server sets `PRAGMA busy_timeout` to 60 s, so a write waits for another one, which takes milliseconds.
#   A client that calls one by one on a server of its own has nobody to wait for.
# Seen: of the flow runs that one client makes from a deployment, each after the other, one to four in a hundred are answered
#   with 503, most of them within 50 ms; the server's log says "database is locked". The other writers are the server's own services,
#   such as those for events. The API's transactions begin DEFERRED, and this one reads first. SQLite waits where a transaction
#   begins with a write, and refuses at once one that has read and now wants to write. The answer has no Retry-After, so
#   Prefect's client sleeps 2 s, and 4 s after a second refusal: a call that takes 15 ms takes 2 s or 6 s.
#   On a busy machine one call was refused six times in a row: the client gave up after two minutes.
# Why it matters: on SQLite, the default, `run_deployment` and whatever else reads and writes in one call stand still for
#   seconds, now and then, with no line in a log unless PREFECT_SERVER_LOG_RETRYABLE_ERRORS is set or the client logs at debug.
#   A program with an HTTP client of its own has to try again after a 503.
# It is known in part: PrefectHQ/prefect, issue 23051 and pull request 22967, about two of the server's own services.
set -euo pipefail
here=$(mktemp -d)
trap 'rm -rf "$here"' EXIT
python3.11 -m venv "$here/venv"
"$here/venv/bin/pip" install --quiet --disable-pip-version-check prefect==3.9.1

port=$("$here/venv/bin/python" -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
export HOME=$here PREFECT_HOME=$here/prefect PREFECT_SERVER_ANALYTICS_ENABLED=false DO_NOT_TRACK=1
export PREFECT_API_URL=http://127.0.0.1:$port/api PREFECT_SERVER_LOG_RETRYABLE_ERRORS=true
"$here/venv/bin/prefect" server start --host 127.0.0.1 --port "$port" --no-ui >"$here/server.log" 2>&1 &
server=$!
trap 'kill $server 2>/dev/null || true; wait $server 2>/dev/null || true; rm -rf "$here"' EXIT

"$here/venv/bin/python" - "$here/server.log" <<'PYTHON'
import sqlite3
import statistics
import sys
import time
from contextlib import suppress
from pathlib import Path

import httpx
import prefect
from prefect.client.orchestration import get_client
from prefect.exceptions import PrefectHTTPStatusError
from prefect.settings import PREFECT_API_URL

print("prefect", prefect.__version__, "SQLite", sqlite3.sqlite_version)
WANTED, SECONDS = 5, 180
answers = []


def note(response):
    response.read()
    answers.append((response.status_code, response.elapsed.total_seconds(), "Retry-After" in response.headers))


for _ in range(300):
    with suppress(httpx.HTTPError):
        httpx.get(PREFECT_API_URL.value() + "/health").raise_for_status()
        break
    time.sleep(0.5)
else:
    sys.exit("the server does not serve")

smooth, refused, refusals = [], [], []
with get_client(sync_client=True, httpx_settings={"event_hooks": {"response": [note]}}) as client:
    deployment = client.create_deployment(flow_id=client.create_flow_from_name("idle"), name="idle")
    end = time.monotonic() + SECONDS
    while len(refusals) < WANTED and time.monotonic() < end:
        answers.clear()
        before = time.monotonic()
        with suppress(PrefectHTTPStatusError):  # the last of the answers says it
            client.create_flow_run_from_deployment(deployment)
        seconds = time.monotonic() - before
        met = [(after, hinted) for status, after, hinted in answers if status == 503]
        refusals += met
        (refused if met else smooth).append((seconds, list(answers)))

print(f"{len(smooth) + len(refused)} calls, one by one; {len(refused)} met a 503")
for seconds, given in refused:
    told = ", ".join(f"{status} in {1000 * after:.0f} ms" for status, after, _ in given)
    print(f"a call of {seconds:.1f} s: {told}")
if len(refusals) < WANTED:
    sys.exit(f"CHANGED: fewer than {WANTED} refusals in {SECONDS} s")
usual = statistics.median(seconds for seconds, _ in smooth)
print(f"median of the others: {1000 * usual:.0f} ms")
locked = Path(sys.argv[1]).read_text().count("database is locked")
print(f"lines of the server's log with 'database is locked': {locked}")
if max(after for after, _ in refusals) > 10 or not locked:
    sys.exit("CHANGED: the server waits before it refuses, or refuses for another reason")
if any(hinted for _, hinted in refusals) or min(seconds for seconds, _ in refused) < 1.2:
    sys.exit("CHANGED: the server says when to come back, or the client comes back sooner")
print("as described")
PYTHON
