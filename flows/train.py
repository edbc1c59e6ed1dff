"""One training run on this worker."""

from prefect import flow

from flows.evaluate import measure
from tasks.records import TrainedModel, TrainJob
from tasks.training.task import fetch_images, train_model
from tasks.training.trainer_jobs import one_trainer


@flow(name="train", persist_result=False)
def train(job: TrainJob) -> TrainedModel:
    """Train what the job says, going on from its newest checkpoint; a finished run's model is used again.

    Then the model is evaluated as the job says, since this worker has labels and weights at hand, and so is the model
    that it will be compared with.
    """
    fetch_images(job)
    with one_trainer():
        model = train_model(job)
        if job.evaluation:
            measure(job.evaluation)
        if job.baseline:
            measure(job.baseline)
    return model
