"""What becomes of a flow run that crashed, went silent, or is being cancelled."""

from prefect import State, flow
from prefect.states import Completed

from tasks.orchestration.supervision import supervise_run
from tasks.records import SuperviseJob


@flow(name="supervise", persist_result=False)
def supervise(job: SuperviseJob) -> State[None]:
    """Start a crashed or lost run again, at most three times without progress; cancel what a cancelled run started."""
    return Completed(message=supervise_run(job.flow_run))
