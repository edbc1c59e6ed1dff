"""What a retrain run came to, in the store: written once, when the run ends."""

from contextlib import suppress

from tasks.errors import LostRace
from tasks.records import RunOutcome, Stage
from tasks.storage import keys
from tasks.storage.documents import create_record
from tasks.storage.s3 import Store

STAGES: dict[Stage, set[str]] = {"training": {"train"}, "evaluation": {"train", "evaluate"}}
"""The flows that do the work of a stage: a train run evaluates, too."""


def store_outcome(store: Store, outcome: RunOutcome) -> None:
    """Write what a run came to, unless an attempt of the run that was killed right afterwards has."""
    with suppress(LostRace):
        create_record(store, keys.outcome(outcome.project, outcome.flow_run), outcome)


def reused_stages(flows: set[str]) -> tuple[Stage, ...]:
    """Stages that a run took from an earlier run, since it had no flow run for them.

    Args:
        flows: Flows that the run had child flow runs of.

    Returns:
        Their names: training, evaluation, both or none.
    """
    return tuple(stage for stage, doing in STAGES.items() if not doing & flows)
