"""What becomes of a flow run that crashed, went silent, is being cancelled, or has no answer in time."""

from prefect import State, flow
from prefect.states import Completed

from tasks.orchestration.supervision import supervise_run
from tasks.records import SuperviseJob


@flow(name="supervise", persist_result=False)
def supervise(job: SuperviseJob) -> State[None]:
    """Start a crashed or lost run again, at most three times without progress; cancel what a cancelled run started.

    A run whose question nobody answered in time goes on without an answer.
    """
    return Completed(message=supervise_run(job.flow_run))
