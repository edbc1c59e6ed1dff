"""Prefect surface of housekeeping."""

from datetime import timedelta

from prefect import get_run_logger
from prefect.artifacts import create_table_artifact

from tasks.housekeeping import in_store
from tasks.orchestration.progress import ProgressBar, report_to_server
from tasks.orchestration.retries import step
from tasks.orchestration.run_watch import check_run
from tasks.records import CleanJob, CleanReport
from tasks.storage.s3 import Store

CLEAN = "clean"
"""Key of the table artifact."""


@step("clean the store")
def clean_store(job: CleanJob) -> CleanReport:
    """Count what nothing needs any more, or remove it, and show it as a table.

    Raises:
        CorruptObject: a record cannot be read, so what it needs is unknown.
        LeaseHeld: another removal is under way.
    """
    store, older_than, bar = Store.from_environment(), timedelta(days=job.older_than_days), ProgressBar("objects")

    def on_progress(done: int, total: int) -> None:
        check_run()
        bar.show(done, total)

    report = in_store.remove(store, older_than, on_progress) if job.remove else in_store.count(store, older_than)
    rows = [{"kind": kind, **amount.model_dump(mode="json")} for kind, amount in report.kinds.items()]
    title = "Removed from the store" if job.remove else "What could be removed from the store"
    report_to_server(lambda: create_table_artifact(rows, CLEAN, title))
    verb = "removed" if job.remove else "could be removed"
    get_run_logger().info("%d objects, %d bytes %s", report.total.objects, report.total.size, verb)
    return report
