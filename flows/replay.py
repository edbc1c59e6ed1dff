"""A published model trained again, to see whether it comes out the same."""

from prefect import flow

from tasks.records import ReplayOutcome, ReplayRequest
from tasks.training.task import replay_version, show_replay


@flow(name="replay", persist_result=False)
def replay(request: ReplayRequest) -> ReplayOutcome:
    """Train a version again on this worker, from what the store holds alone; nothing is stored or published."""
    return show_replay(replay_version(request))
