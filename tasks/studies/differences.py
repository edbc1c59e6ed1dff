"""How far each model of a study is behind the most accurate one, on the same images. From detections in the store."""

from collections.abc import Callable, Sequence
from pathlib import Path

from tasks import metrics
from tasks.evaluation.page_in_store import read_detections
from tasks.records import EvaluationReport, Gain
from tasks.storage.datasets import load_snapshot
from tasks.storage.s3 import Store


def differences(
    store: Store, reports: Sequence[EvaluationReport], scratch: Path, on_progress: Callable[[int, int], None]
) -> tuple[list[Gain | None], int]:
    """Compare the models of reports on the same split of the same labels.

    Args:
        store: Store with detections and the snapshot.
        reports: Reports of the models, the most accurate first.
        scratch: Folder for temporary files.
        on_progress: Called with the models compared, and how many there are.

    Returns:
        The difference in mAP of each model to the first, in the order of the reports, None for the first; and the
        number of source images.
    """
    first = reports[0]
    snapshot = load_snapshot(store, first.snapshot_digest)
    ground_truth = metrics.coco_ground_truth(snapshot.of_split(first.split), snapshot.classes)

    def matches_of(report: EvaluationReport) -> metrics.Matches:
        return metrics.Matches(ground_truth, read_detections(store, report.detections, scratch))

    best = matches_of(first)
    gains: list[Gain | None] = [None]
    for report in reports[1:]:
        gains.append(metrics.compare_map(best, matches_of(report)))
        on_progress(len(gains), len(reports))
    return gains, best.source_count
