"""Every key of the store is made here, and nowhere else.

::

    datasets/blobs/sha256/<2>/<sha256>           an image, or the zip of an export
    datasets/snapshots/<digest>.json             what a snapshot holds
    datasets/versions/<workspace>/<project>/     what was labelled when a Roboflow version was generated
    runs/<run key>/                              spec, state, checkpoints, weights, detections, report, formats
    pretrained/<sha256>/                         weights that others published, and their manifest
    models/<project>/<version>/                  a published model
    models/<project>/aliases/<name>.json         where an alias points
    detections/<project>/<version>/              what a published model detected on images of the store
    models/<project>/index.html                  the project's page
    probe/<token>                                written to try the store, and deleted at once

To add a key, write a function in the section of its prefix, and add the key to the list in ``tests/unit/test_keys.py``.
"""

STORE_SCHEME = "store://"
"""Requests name an object as ``store://KEY``."""

# datasets/ -----------------------------------------------------------------------------------------


def blob(sha256: str) -> str:
    """One image, or the zip of an export, by content."""
    return f"{blobs()}{sha256[:2]}/{sha256}"


def blobs() -> str:
    """Prefix of all images and zips."""
    return "datasets/blobs/sha256/"


def snapshots() -> str:
    """Prefix of the manifests of all snapshots."""
    return "datasets/snapshots/"


def snapshot(digest: str) -> str:
    """The manifest of a snapshot."""
    return f"{snapshots()}{digest}.json"


def version_count(workspace: str, project: str, version: int) -> str:
    """How much was labelled in a Roboflow project when a version was generated.

    Args:
        workspace: Roboflow's name of the workspace.
        project: Roboflow's name of the project.
        version: Number of the version.

    Returns:
        The key, with a version of fixed width, so that keys sort by version.
    """
    return f"datasets/versions/{workspace}/{project}/{version:06d}.json"


# runs/: the run key is the digest of the TrainingSpec ----------------------------------------------


HOUSEKEEPING = "0" * 64
"""No digest is this: the run whose lease is held by who removes objects."""


def all_runs() -> str:
    """Prefix of all training runs."""
    return "runs/"


def run(run_key: str) -> str:
    """Prefix of a training run."""
    return f"{all_runs()}{run_key}/"


def run_spec(run_key: str) -> str:
    """The TrainingSpec of a run."""
    return f"{run(run_key)}spec.json"


def run_state(run_key: str) -> str:
    """The lease of a run, and its model once it is finished."""
    return f"{run(run_key)}state.json"


def run_waiting(run_key: str) -> str:
    """Empty; written by those who wait for the lease, to see that the store can be written."""
    return f"{run(run_key)}waiting"


def run_history(run_key: str, sha256: str) -> str:
    """The epochs of a finished run: by content, since two workers measure different times."""
    return f"{run(run_key)}history/{sha256[:16]}-history.jsonl"


def run_weights(run_key: str, sha256: str) -> str:
    """The best weights of a finished run: by content, so that none is overwritten."""
    return f"{run(run_key)}weights/{sha256[:16]}-best.safetensors"


def checkpoints(run_key: str) -> str:
    """Prefix of a run's checkpoints."""
    return f"{run(run_key)}checkpoints/"


def checkpoint_file(run_key: str, epochs_done: int, sha256: str, name: str) -> str:
    """A file of one checkpoint.

    Args:
        run_key: Digest of the TrainingSpec.
        epochs_done: Whole epochs that the checkpoint holds.
        sha256: SHA-256 of the file.
        name: Name of the file in the run's folder.

    Returns:
        The key: epochs have a fixed width, so that keys sort by epoch; it names the content, so that no file is
        overwritten.
    """
    return f"{checkpoints(run_key)}{epochs_done:06d}/{sha256[:16]}-{name}"


def checkpoint_manifest(run_key: str, epochs_done: int) -> str:
    """The manifest that makes a checkpoint exist."""
    return f"{checkpoints(run_key)}{epochs_done:06d}/manifest.json"


def detections(run_key: str, snapshot_digest: str, sha256: str) -> str:
    """Detections of a run's best weights on one split of a snapshot.

    Args:
        run_key: Digest of the TrainingSpec.
        snapshot_digest: Digest of the snapshot.
        sha256: SHA-256 of the detections.

    Returns:
        The key: it names the content, so that no file is overwritten.
    """
    return f"{run(run_key)}detections/{snapshot_digest}-{sha256[:16]}.json"


# The report of a run: below the run, or beside its detections --------------------------------------


def evaluation(run_key: str, snapshot_digest: str, trained_on: str, threshold_for: str) -> str:
    """Prefix of a run's report.

    Args:
        run_key: Digest of the TrainingSpec.
        snapshot_digest: Digest of the snapshot that the run is measured on.
        trained_on: Digest of the snapshot that it was trained on.
        threshold_for: What the confidence threshold is chosen for; "balance" is the default.

    Returns:
        The run's own prefix, or one beside its detections for later labels or another threshold.
    """
    if (snapshot_digest, threshold_for) == (trained_on, "balance"):
        return run(run_key)
    return f"{run(run_key)}detections/{snapshot_digest}/{'' if threshold_for == 'balance' else f'{threshold_for}/'}"


def evaluation_report(prefix: str) -> str:
    """The EvaluationReport; its presence means that the evaluation is done."""
    return f"{prefix}report.json"


def evaluation_formats(prefix: str) -> str:
    """The ModelFormats: files of the model that name the threshold of the report."""
    return f"{prefix}formats.json"


def format_file(run_key: str, sha256: str, name: str) -> str:
    """A file of a run's model in another format.

    Args:
        run_key: Digest of the TrainingSpec.
        sha256: SHA-256 of the file.
        name: Name of the file, such as model.onnx.

    Returns:
        The key: it names the content, so that no file is overwritten.
    """
    return f"{run(run_key)}formats/{sha256[:16]}-{name}"


def evaluation_prefix(numbers: str) -> str:
    """The prefix of an evaluation, from the key of its numbers."""
    return f"{numbers.rpartition('/report/')[0]}/"


def evaluation_numbers(prefix: str, sha256: str) -> str:
    """The Evaluation: all numbers of the page, for programs. By content: two workers measure different times."""
    return f"{prefix}report/{sha256[:16]}-report.json"


def report_page(prefix: str, kind: str, sha256: str) -> str:
    """A report page of an evaluation.

    Args:
        prefix: Prefix of the evaluation.
        kind: "index" for the evaluation alone, "verdict", "comparison" or "study" for a page with a decision, a
            comparison or a learning curve.
        sha256: SHA-256 of the page.

    Returns:
        The key: it names the content, so that no page is overwritten.
    """
    return f"{prefix}report/{sha256[:16]}-{kind}.html"


def page_record(prefix: str, kind: str, digest: str) -> str:
    """What a report page shows besides its evaluation, for programs: a LearningCurve or a Comparison.

    Args:
        prefix: Prefix of the evaluation.
        kind: "study" or "comparison".
        digest: Digest of the record.

    Returns:
        The key: it names the content.
    """
    return f"{prefix}report/{digest[:16]}-{kind}.json"


# pretrained/: the SHA-256 is that of the weights ---------------------------------------------------


def all_pretrained() -> str:
    """Prefix of all weights that others published."""
    return "pretrained/"


def pretrained_file(sha256: str, name: str) -> str:
    """Weights that others published, under the name that they gave."""
    return f"{all_pretrained()}{sha256}/{name}"


def pretrained_manifest(sha256: str) -> str:
    """The manifest that makes published weights exist."""
    return f"{all_pretrained()}{sha256}/manifest.json"


# models/ -------------------------------------------------------------------------------------------


def all_models() -> str:
    """Prefix of the models of all projects."""
    return "models/"


def models(project: str) -> str:
    """Prefix of the models of a project."""
    return f"{all_models()}{project}/"


def model_claim(project: str, version: int) -> str:
    """Who is writing a version."""
    return f"{models(project)}{version:06d}/claim.json"


def model_card(project: str, version: int) -> str:
    """The card that makes a version exist."""
    return f"{models(project)}{version:06d}/card.json"


def model_file(project: str, version: int, name: str) -> str:
    """A file of a version.

    Args:
        project: Name of the project.
        version: Number of the version.
        name: Name of the file. It names its content, unless the version's claim does.

    Returns:
        The key, with a version of fixed width, so that keys sort by version.
    """
    return f"{models(project)}{version:06d}/{name}"


def model_labels(project: str, version: int) -> str:
    """How many labels a version was trained on, and what it was measured on."""
    return f"{models(project)}{version:06d}/labels.json"


def project_page(project: str) -> str:
    """The page about all versions of a project, overwritten after each run."""
    return f"{models(project)}index.html"


def model_alias(project: str, name: str) -> str:
    """Where an alias points."""
    return f"{models(project)}aliases/{name}.json"


# detections/ ---------------------------------------------------------------------------------------


def all_detections() -> str:
    """Prefix of the detections of all published models."""
    return "detections/"


def done_images(project: str, version: int) -> str:
    """Prefix of the records of images that a version has detected on.

    Args:
        project: Project of the model.
        version: Its number.

    Returns:
        The prefix, with a version of fixed width, so that keys sort by version.
    """
    return f"{all_detections()}{project}/{version:06d}/images/"


def image_detections(project: str, version: int, image_id: str) -> str:
    """What a version detected on an image.

    Args:
        project: Project of the model.
        version: Its number.
        image_id: SHA-256 of key and ETag of the image.

    Returns:
        The key.
    """
    return f"{done_images(project, version)}{image_id}.json"


def annotated_image(project: str, version: int, image_id: str, sha256: str) -> str:
    """An image with its detections drawn.

    Args:
        project: Project of the model.
        version: Its number.
        image_id: SHA-256 of key and ETag of the image.
        sha256: SHA-256 of the file.

    Returns:
        The key: it names the content, since two runs may draw it at once.
    """
    return f"{all_detections()}{project}/{version:06d}/annotated/{image_id}-{sha256[:16]}.jpg"


def new_detections(project: str, version: int, sha256: str) -> str:
    """The detections of one run, as COCO JSON.

    Args:
        project: Project of the model.
        version: Its number.
        sha256: SHA-256 of the file.

    Returns:
        The key: it names the content.
    """
    return f"{all_detections()}{project}/{version:06d}/runs/{sha256[:16]}-detections.json"


# probe/ --------------------------------------------------------------------------------------------


def probes() -> str:
    """Prefix of the objects that try the store."""
    return "probe/"


def probe(token: str) -> str:
    """An object that tries the store, and is deleted at once."""
    return f"{probes()}{token}"
