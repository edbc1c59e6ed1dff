"""Housekeeping: what of the store nothing needs any more."""

from prefect import flow

from tasks.housekeeping.task import clean_store
from tasks.records import CleanJob, CleanReport


@flow(name="clean", persist_result=False)
def clean(job: CleanJob) -> CleanReport:
    """Count old objects of the store that nothing needs any more; remove them if the job says so."""
    return clean_store(job)
