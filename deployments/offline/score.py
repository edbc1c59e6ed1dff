"""``nasflow score``: scores of detections in COCO format from anywhere, and their report page."""

from pathlib import Path
from typing import Any

from tasks import metrics
from tasks.errors import BadRequest
from tasks.evaluation.coco_detections import load_detections
from tasks.evaluation.coco_truth import load_ground_truth
from tasks.evaluation.measure import MeasuredImages, measure
from tasks.evaluation.report.content import ReportContent
from tasks.evaluation.report.first_line import nothing_right_in, score_line
from tasks.evaluation.report.page import write_report
from tasks.evaluation.report.suspected_errors import suspected_errors_csv
from tasks.local.files import publish_bytes
from tasks.records import Evaluation, SplitCounts, ThresholdGoal


def score(truth_file: Path, detections_file: Path, out: Path, threshold_for: ThresholdGoal) -> dict[str, Any]:
    """Score detections against ground truth, and write report.html, report.json and suspected_errors.csv.

    Args:
        truth_file: COCO JSON with the labels.
        detections_file: COCO results JSON.
        out: Folder for the files; created if it does not exist.
        threshold_for: What the confidence threshold is chosen for.

    Returns:
        The scores as JSON would have them, and paths of the files.

    Raises:
        BadInput: a file cannot be read, is not in COCO's format, or does not fit the other one.
        BadRequest: the folder cannot be written.
    """
    truth = load_ground_truth(truth_file)
    foreign = load_detections(detections_file, truth)
    detections, notes = foreign.detections, (*truth.notes, *foreign.notes)
    matches = metrics.Matches(truth.document, detections)
    images = MeasuredImages(truth_file.name, _counts(truth.document))
    evaluation = measure(matches, detections, metrics.choose_point(matches, threshold_for), images)
    facts = {"Ground truth": str(truth_file), "Detections": f"{detections_file}, {len(detections)} boxes"}
    facts |= {"How they were read": "; ".join(notes)} if notes else {}
    paths = _write(out, ReportContent(title=detections_file.stem, evaluation=evaluation, facts=facts), evaluation)
    summary = nothing_right_in(evaluation) or score_line(evaluation.scores)
    return {"summary": summary, "notes": list(notes), **evaluation.scores.model_dump(mode="json"), **paths}


def _counts(ground_truth: dict[str, Any]) -> SplitCounts:
    images, boxes = ground_truth["images"], ground_truth["annotations"]
    labelled = {box["image_id"] for box in boxes}
    return SplitCounts(images=len(images), boxes=len(boxes), background=len(images) - len(labelled))


def _write(out: Path, content: ReportContent, evaluation: Evaluation) -> dict[str, str]:
    """Write the files, and give their paths by what they hold."""
    page, numbers, suspected_errors = (out / name for name in ("report.html", "report.json", "suspected_errors.csv"))
    try:
        out.mkdir(parents=True, exist_ok=True)
        write_report(page, content)
        publish_bytes(numbers, evaluation.model_dump_json(indent=1).encode())
        publish_bytes(suspected_errors, suspected_errors_csv(evaluation.analysis.suspected_errors).encode())
    except OSError as error:
        raise BadRequest(f"--out {out}: {error.strerror}; name a folder that can be written") from None
    return {"report": str(page), "numbers": str(numbers), "suspected_errors": str(suspected_errors)}
