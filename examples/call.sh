#!/bin/sh
# Ask the retrain deployment for a run, with request.json, as any program can.
# PREFECT_API_URL names the API of the Prefect server, such as http://127.0.0.1:4200/api.
set -eu
examples=$(cd "$(dirname "$0")" && pwd)

# A worker needs the whole path of the export.
request=$(sed "s|\"export\": \"labels\"|\"export\": \"$examples/labels\"|" "$examples/request.json")

# Into a file, since curl prints the answer of each attempt, and a busy server answers 503 at first.
answer=$(mktemp)
trap 'rm -f "$answer"' EXIT
ask() {
    path=$1
    shift
    curl --silent --show-error --fail-with-body --retry 5 --output "$answer" "$PREFECT_API_URL$path" "$@" || failed=$?
    cat "$answer"
    return "${failed:-0}"
}

id=$(ask /deployments/name/retrain/retrain | python3 -c 'import json, sys; print(json.load(sys.stdin)["id"])')

ask "/deployments/$id/create_flow_run" \
    --header 'Content-Type: application/json' --data "{\"parameters\": {\"request\": $request}}"
