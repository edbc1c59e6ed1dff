"""Every key of the store is made in this package, and nowhere else.

::

    datasets/blobs/sha256/<2>/<sha256>           an image, or the zip of an export
    datasets/snapshots/<digest>.json             what a snapshot holds
    datasets/versions/<workspace>/<project>/     what was labelled when a Roboflow version was generated
    runs/<run key>/                              spec, state, checkpoints, weights, detections, report, formats
    pretrained/<sha256>/                         weights that others published, and their manifest
    models/<project>/<version>/                  a published model
    models/<project>/aliases/<name>.json         where an alias points
    models/<project>/index.html                  the project's page
    models/<project>/index.json                  copies of the small records of all versions
    outcomes/<project>/<flow run>.json           what a retrain run came to
    detections/<project>/<version>/              what a published model detected on images of the store
    suggestions/<workspace>/<project>/           images that were sent to Roboflow to be labelled
    studies/<project>/<digest>/                  a study of settings: its trials, numbers and page
    relabelling/<workspace>/<project>/           images that were given back to labelling
    probe/<token>                                written to try the store, and deleted at once

To add a key, write a function in the module of its prefix, name it here, and add it to ``tests/unit/test_keys.py``.
"""

from tasks.storage.keys.dataset_keys import blob, blobs, snapshot, snapshots, version_count
from tasks.storage.keys.detection_keys import (
    all_detections,
    annotated_image,
    done_images,
    image_detections,
    new_detections,
)
from tasks.storage.keys.model_keys import (
    all_models,
    all_pretrained,
    model_alias,
    model_card,
    model_claim,
    model_file,
    model_labels,
    models,
    pretrained_file,
    pretrained_manifest,
    project_index,
    project_page,
)
from tasks.storage.keys.outcome_keys import outcome
from tasks.storage.keys.probe_keys import probe, probes
from tasks.storage.keys.report_keys import (
    evaluation,
    evaluation_formats,
    evaluation_numbers,
    evaluation_prefix,
    evaluation_report,
    format_file,
    formats,
    page_record,
    report_page,
)
from tasks.storage.keys.run_keys import (
    HOUSEKEEPING,
    all_runs,
    checkpoint_file,
    checkpoint_manifest,
    checkpoints,
    detection_result,
    detections,
    run,
    run_history,
    run_spec,
    run_state,
    run_waiting,
    run_weights,
)
from tasks.storage.keys.study_keys import study, study_numbers, study_page, study_trial, study_trials
from tasks.storage.keys.suggestion_keys import returned_image, returned_images, sent_image, sent_images

__all__ = [
    "HOUSEKEEPING",
    "STORE_SCHEME",
    "all_detections",
    "all_models",
    "all_pretrained",
    "all_runs",
    "annotated_image",
    "blob",
    "blobs",
    "checkpoint_file",
    "checkpoint_manifest",
    "checkpoints",
    "detection_result",
    "detections",
    "done_images",
    "evaluation",
    "evaluation_formats",
    "evaluation_numbers",
    "evaluation_prefix",
    "evaluation_report",
    "format_file",
    "formats",
    "image_detections",
    "model_alias",
    "model_card",
    "model_claim",
    "model_file",
    "model_labels",
    "models",
    "new_detections",
    "outcome",
    "page_record",
    "pretrained_file",
    "pretrained_manifest",
    "probe",
    "probes",
    "project_index",
    "project_page",
    "report_page",
    "returned_image",
    "returned_images",
    "run",
    "run_history",
    "run_spec",
    "run_state",
    "run_waiting",
    "run_weights",
    "sent_image",
    "sent_images",
    "snapshot",
    "snapshots",
    "study",
    "study_numbers",
    "study_page",
    "study_trial",
    "study_trials",
    "version_count",
]

STORE_SCHEME = "store://"
"""Requests name an object as ``store://KEY``."""
