#!/bin/sh
# Ask the retrain deployment for a run, with request.json, as any program can.
# PREFECT_API_URL names the API of the Prefect server, such as http://127.0.0.1:4200/api.
set -eu
examples=$(cd "$(dirname "$0")" && pwd)

stop() {
    echo "error: $1" >&2
    exit "${2:-1}"
}
for tool in curl python3; do
    command -v "$tool" >/dev/null || stop "$tool is not installed; install it, and call this again" 2
done
[ -n "${PREFECT_API_URL:-}" ] || stop "PREFECT_API_URL is not set; source env.sh of the local stack, or set it" 2

# A worker needs the whole path of the export.
request=$(sed "s|\"export\": \"labels\"|\"export\": \"$examples/labels\"|" "$examples/request.json")

# Into a file, since curl prints the answer of each attempt, and a busy server answers 503 at first.
answer=$(mktemp)
trap 'rm -f "$answer"' EXIT
ask() {
    path=$1
    shift
    if ! curl --silent --show-error --fail-with-body --retry 5 --output "$answer" "$PREFECT_API_URL$path" "$@"; then
        cat "$answer" >&2
        stop "$PREFECT_API_URL$path: see that the server is up, and that nasflow deploy was called"
    fi
}

ask /deployments/name/retrain/retrain
id=$(python3 -c '
import json, sys
try:
    print(json.load(sys.stdin)["id"])
except (KeyError, TypeError, ValueError):
    sys.exit(1)
' <"$answer") || stop "$PREFECT_API_URL does not answer as Prefect's API does, whose address ends in /api"

ask "/deployments/$id/create_flow_run" \
    --header 'Content-Type: application/json' --data "{\"parameters\": {\"request\": $request}}"
cat "$answer"
