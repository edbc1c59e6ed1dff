#!/usr/bin/env bash
# Backs up the database of Prefect and the store in a folder: backup.sh FOLDER
# Runs may work meanwhile. Contents of the store are kept once for all backups in a folder, which so grows by what is new.
# With docker compose; or without Docker where PGDATABASE (and PGHOST, PGUSER, PGPASSWORD as needed) and NASFLOW_STORE_*
# are set, and NASFLOW_PYTHON is the Python that nasflow is installed in, if not /opt/nasflow/bin/python.
set -euo pipefail
[ $# = 1 ] || { echo "error: backup.sh $*: not understood; say backup.sh FOLDER" >&2; exit 2; }
umask 077
mkdir -p "$1/store"
folder=$(cd "$1" && pwd)
cd "$(dirname "$0")"

dump=$folder/prefect-$(date --utc +%Y%m%dT%H%M%SZ).dump
trap 'rm -f "$dump.tmp"' EXIT
if [ -n "${PGDATABASE:-}" ]; then
    pg_dump --format custom --file "$dump.tmp"
    "${NASFLOW_PYTHON:-/opt/nasflow/bin/python}" -m deployments.remote.store_backup save "$folder/store"
else
    docker compose exec -T postgres pg_dump --format custom --username prefect prefect >"$dump.tmp"
    docker compose run --rm --no-deps -T --user "$(id -u):$(id -g)" --volume "$folder/store:/backup" \
        control-worker python -m deployments.remote.store_backup save /backup
fi
sync "$dump.tmp"
mv "$dump.tmp" "$dump"
echo "saved the database in $dump"
