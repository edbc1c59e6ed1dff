"""Prefect surface of detection."""

from prefect import get_run_logger
from prefect.artifacts import create_table_artifact

from tasks.orchestration.progress import ProgressBar, artifact_key, report_to_server
from tasks.orchestration.retries import step
from tasks.orchestration.run_watch import check_run
from tasks.records import DetectOutcome, ModelVersion
from tasks.settings import WorkSettings, from_environment
from tasks.storage.s3 import Store


@step("detect")
def detect_new_images(version: ModelVersion, prefix: str) -> DetectOutcome:
    """Detect on the images below a prefix that a version has not seen, and show what came of it.

    Args:
        version: The published version.
        prefix: Prefix of the images in the store.

    Returns:
        What was detected.
    """
    # Here, since OpenCV and the runtimes take a second to load, and `nasflow deploy` needs the flow alone.
    from tasks.detection.in_store import detect_in_store

    store, bar = Store.from_environment(), ProgressBar("images")

    def on_image(done: int, total: int) -> None:
        check_run()
        bar.show(done, total)

    outcome = detect_in_store(store, version, prefix, from_environment(WorkSettings), on_image)
    logger = get_run_logger()
    for one in outcome.failed:
        logger.warning("%s cannot be read: %s", one.image, one.why)
    logger.info(
        "%s/%d: %d detections on %d new images, %d of %d done before",
        outcome.project, outcome.version, outcome.detections, outcome.detected, outcome.done_before, outcome.images,
    )  # fmt: skip
    row = {
        "model": f"{outcome.project}/{outcome.version}", "prefix": prefix, "images": outcome.images,
        "new": outcome.detected, "detections": outcome.detections, "not read": len(outcome.failed),
        "file": store.uri(outcome.file.key) if outcome.file else "",
    }  # fmt: skip
    title = f"Detections of {outcome.project} on new images"
    report_to_server(lambda: create_table_artifact([row], artifact_key("detect", outcome.project), title))
    return outcome
