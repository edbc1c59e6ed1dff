"""A published model on the images below a prefix of the store."""

from prefect import flow

from tasks.detection.task import detect_new_images
from tasks.promotion.versions_task import find_published
from tasks.records import DetectOutcome, DetectRequest


@flow(name="detect", persist_result=False)
def detect(request: DetectRequest) -> DetectOutcome:
    """Detect on every image below a prefix that this version of the model has not seen, each once.

    What was detected on an image is a record in the store. So a run that was killed is gone on with by the next, and
    two runs at once do no harm.
    """
    return detect_new_images(find_published(request), request.prefix)
