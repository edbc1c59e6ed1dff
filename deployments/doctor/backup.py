"""Check of backups: whether the newest one that the server was told of is old."""

from datetime import UTC, timedelta

from prefect.client.orchestration import SyncPrefectClient

from deployments.doctor.check import Check, check
from deployments.doctor.clock import server_time
from deployments.remote.last_backup import MAX_AGE, last_backup

HOUR = timedelta(hours=1)


def backup(client: SyncPrefectClient) -> Check:
    """How old the newest backup is. That none was ever made, as on a laptop, is no fault."""
    begun = last_backup(client)
    if begun is None:
        return check("backup", "ok", "infra/compose/backup.sh has made none of this server")
    age = max(server_time(client) - begun, timedelta(0))
    message = f"the newest one was begun at {begun.astimezone(UTC):%Y-%m-%d %H:%M} UTC, {age // HOUR} hours ago"
    if age <= MAX_AGE:
        return check("backup", "ok", message)
    return check("backup", "warning", message, "see what became of the timer that calls infra/compose/backup.sh")
