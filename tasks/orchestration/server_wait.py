"""The end of a step: wait for a Prefect server that is away, and make sure that the run is still this process's.

Prefect's engine gives up after a minute when it reports the end of a run. So a step does not end before the server
answers. What it has done is in the store by then.
"""

from contextlib import suppress

from tasks.errors import StillUnavailable
from tasks.orchestration.run_watch import confirm_run, sleep
from tasks.outages import Patience, wait_out

PATIENCE = Patience(longest_pause=10)


def wait_for_server() -> None:
    """Return as soon as the Prefect server answers; after an hour return without an answer.

    Raises:
        RunCancelled: this process's flow run was cancelled.
        RunTakenOver: it is another process's, which may be at work on it.
    """
    with suppress(StillUnavailable):
        wait_out(confirm_run, "what this step did is stored", PATIENCE, sleep)
