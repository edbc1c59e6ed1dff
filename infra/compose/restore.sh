#!/usr/bin/env bash
# Restores the newest backup of a folder that backup.sh made: restore.sh FOLDER
# restore.sh --database FOLDER restores the database alone, and leaves the store as it is.
# The database is replaced as a whole; the store has to be empty, or have objects of this backup alone. Servers of Prefect
# and workers must not run: with docker compose those of this machine are stopped here, others stop before.
# Without Docker: the same variables as for backup.sh, with keys that may write all that the backup has.
set -euo pipefail
asked=$*
store=yes
[ "${1:-}" != --database ] || { store=no; shift; }
[ $# = 1 ] || { echo "error: restore.sh $asked: not understood; say restore.sh FOLDER, or restore.sh --database FOLDER" >&2; exit 2; }
[ -d "$1" ] || { echo "error: $1: no such folder; name the one that backup.sh was given" >&2; exit 2; }
folder=$(cd "$1" && pwd)
cd "$(dirname "$0")"

dump=$(find "$folder" -maxdepth 1 -name 'prefect-*.dump' | sort | tail -1)
[ -n "$dump" ] || { echo "error: $folder: has no prefect-....dump; name the folder that backup.sh was given" >&2; exit 2; }
replace=(--clean --if-exists --no-owner --single-transaction --exit-on-error)
SESSIONS="select count(*) from pg_stat_activity
    where datname = current_database() and pid <> pg_backend_pid() and backend_type = 'client backend'"
# The store first: it is what may refuse.
if [ -n "${PGDATABASE:-}" ]; then
    open=$(psql --no-psqlrc --tuples-only --no-align --dbname "$PGDATABASE" --command "$SESSIONS")
    [ "$open" = 0 ] || { echo "error: other programs have $open sessions with the database; stop Prefect's servers and all workers, and say it again" >&2; exit 2; }
    [ $store = no ] ||
        "${NASFLOW_PYTHON:-/opt/nasflow/bin/python}" -m deployments.remote.store_backup restore "$folder/store"
    pg_restore "${replace[@]}" --dbname "$PGDATABASE" "$dump"
    echo "restored the database from $dump; now start Prefect and the workers"
else
    [ ! -f worker.env ] || docker compose --file worker.yaml --env-file worker.env --profile '*' stop
    docker compose stop proxy prefect deploy control-worker
    docker compose up --detach --wait postgres store
    if [ $store = yes ] && ! docker compose run --rm --no-deps -T --user "$(id -u):$(id -g)" \
        --volume "$folder/store:/backup:ro" store-administrator python -m deployments.remote.store_backup restore /backup; then
        echo "the database is as it was, and Prefect is stopped here; docker compose up --detach starts it" >&2
        exit 2
    fi
    docker compose exec -T postgres pg_restore "${replace[@]}" --username prefect --dbname prefect <"$dump"
    echo "restored the database from $dump; now: docker compose up --detach"
    [ ! -f worker.env ] || echo "and where GPU workers ran: docker compose --file worker.yaml --env-file worker.env up --detach"
fi
