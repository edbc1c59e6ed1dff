"""One training run on this worker."""

from prefect import flow

from tasks.records import TrainedModel, TrainJob
from tasks.training.task import train_model


@flow(name="train", persist_result=False)
def train(job: TrainJob) -> TrainedModel:
    """Train what the job says, going on from its newest checkpoint; a finished run's model is used again."""
    return train_model(job)
