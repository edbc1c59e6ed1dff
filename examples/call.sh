#!/bin/sh
# Ask the retrain deployment for a run, with request.json, as any program can.
# PREFECT_API_URL names the API of the Prefect server, such as http://127.0.0.1:4200/api.
set -eu
examples=$(cd "$(dirname "$0")" && pwd)

# A worker needs the whole path of the export.
request=$(sed "s|\"export\": \"labels\"|\"export\": \"$examples/labels\"|" "$examples/request.json")

id=$(curl --silent --show-error --fail-with-body --retry 5 "$PREFECT_API_URL/deployments/name/retrain/retrain" |
    python3 -c 'import json, sys; print(json.load(sys.stdin)["id"])')

curl --silent --show-error --fail-with-body --retry 5 "$PREFECT_API_URL/deployments/$id/create_flow_run" \
    --header 'Content-Type: application/json' --data "{\"parameters\": {\"request\": $request}}"
