"""Keys of a run's evaluation: below the run, or beside its detections."""

from tasks.storage.keys.run_keys import run


def evaluation(run_key: str, snapshot_digest: str, trained_on: str, threshold_for: str, scoring: int) -> str:
    """Prefix of a run's report.

    Args:
        run_key: Digest of the TrainingSpec.
        snapshot_digest: Digest of the snapshot that the run is measured on.
        trained_on: Digest of the snapshot that it was trained on.
        threshold_for: What the confidence threshold is chosen for; "balance" is the default.
        scoring: Number of the scoring; 0 has no place in keys, since it had none when they were written.

    Returns:
        The run's own prefix, or one beside its detections for later labels or another threshold; below it a folder for
        each number of scoring.
    """
    number = f"scoring-{scoring}/" if scoring else ""
    if (snapshot_digest, threshold_for) == (trained_on, "balance"):
        return f"{run(run_key)}{number}"
    goal = "" if threshold_for == "balance" else f"{threshold_for}/"
    return f"{run(run_key)}detections/{snapshot_digest}/{goal}{number}"


def evaluation_report(prefix: str) -> str:
    """The EvaluationReport; its presence means that the evaluation is done."""
    return f"{prefix}report.json"


def evaluation_formats(prefix: str) -> str:
    """The ModelFormats: files of the model that name the threshold of the report."""
    return f"{prefix}formats.json"


def formats(run_key: str) -> str:
    """Prefix of the files of a run's model in other formats."""
    return f"{run(run_key)}formats/"


def format_file(run_key: str, sha256: str, name: str) -> str:
    """A file of a run's model in another format.

    Args:
        run_key: Digest of the TrainingSpec.
        sha256: SHA-256 of the file.
        name: Name of the file, such as model.onnx.

    Returns:
        The key: it names the content, so that no file is overwritten.
    """
    return f"{formats(run_key)}{sha256[:16]}-{name}"


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
