#!/usr/bin/env bash
# Backs up the database of Prefect and the store in a folder: backup.sh FOLDER
# Runs may work meanwhile. Contents of the store are kept once for all backups in a folder, which so grows by what is new.
# With docker compose; or without Docker where PGDATABASE (and PGHOST, PGUSER, PGPASSWORD as needed), NASFLOW_STORE_* and
# PREFECT_API_* are set, and NASFLOW_PYTHON is the Python that nasflow is installed in, if not /opt/nasflow/bin/python.
set -euo pipefail
[ $# = 1 ] || { echo "error: backup.sh $*: not understood; say backup.sh FOLDER" >&2; exit 2; }
umask 077
mkdir -p "$1/store"
folder=$(cd "$1" && pwd)
cd "$(dirname "$0")"

begun=$(date --utc +%Y-%m-%dT%H:%M:%SZ)
dump=$folder/prefect-${begun//[-:]/}.dump
home=$(mktemp -d)
trap 'rm -rf "$dump.tmp" "$home"' EXIT
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
# Whoever watches wants to know; but a backup is one, too, while the server is away.
if [ -n "${PGDATABASE:-}" ]; then
    # Prefect looks for its settings at home, which may be another user's here.
    PREFECT_HOME=$home "${NASFLOW_PYTHON:-/opt/nasflow/bin/python}" -m deployments.remote.last_backup "$begun"
else
    docker compose run --rm --no-deps -T control-worker python -m deployments.remote.last_backup "$begun"
fi || echo "warning: Prefect was not told, and takes the backup before for the newest one" >&2
