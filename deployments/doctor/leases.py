"""Check of what a server keeps when it is started again."""

from prefect.client.orchestration import SyncPrefectClient

from deployments.doctor.check import Check, check

FILESYSTEM = "prefect.server.concurrency.lease_storage.filesystem"


def lease_storage(client: SyncPrefectClient) -> Check:
    """Whether the server forgets who holds a concurrency slot when it is started again."""
    answer = client.request("GET", "/admin/settings")
    answer.raise_for_status()
    storage = str(answer.json().get("server", {}).get("concurrency", {}).get("lease_storage", ""))
    if not storage:
        return check("leases", "ok", "the server does not say where it keeps leases")
    if storage.endswith(".memory"):
        message = "the server keeps leases of concurrency slots in memory, and forgets them when it is started again"
        remedy = f"start the server with PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE={FILESYSTEM}"
        return check("leases", "warning", message, remedy)
    return check("leases", "ok", f"kept in {storage.rpartition('.')[2]}")
