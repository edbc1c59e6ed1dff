"""Report pages in the store, with learning curves and comparisons, beside the scores of their evaluation."""

import json
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

from tasks.errors import CorruptObject
from tasks.evaluation.report.content import ReportContent, with_images
from tasks.evaluation.report.page import write_report
from tasks.local.scratch import scratch_folder
from tasks.records import (
    Comparison,
    EpochResult,
    EvaluateJob,
    Evaluation,
    EvaluationReport,
    LabelledImage,
    LearningCurve,
    PromotionDecision,
    Record,
    StoredFile,
    TrainedModel,
)
from tasks.settings import WorkSettings
from tasks.storage import keys
from tasks.storage.blob_cache import BlobCache
from tasks.storage.datasets import fetch_image, load_snapshot
from tasks.storage.documents import put_record
from tasks.storage.s3 import Store

Detection = dict[str, Any]
"""One COCO result."""


@dataclass(frozen=True)
class PageAdditions:
    """What became known after the evaluation."""

    comparison: Comparison | None = None
    """With the champion; without a decision, with another version."""
    decision: PromotionDecision | None = None
    learning: LearningCurve | None = None
    """What more labels would gain."""

    @property
    def kind(self) -> str:
        """What the key of the page says that it is."""
        if self.learning:
            return "study"
        return "verdict" if self.decision else "comparison" if self.comparison else "index"


def evaluation_folder(job: EvaluateJob, model: TrainedModel) -> str:
    """Store prefix of everything that belongs to an evaluation."""
    trained_on = model.spec.snapshot_digest
    return keys.evaluation(job.run_key, job.snapshot_digest, trained_on, job.threshold_for, job.scoring)


def write_page(
    store: Store,
    model: TrainedModel,
    report: EvaluationReport,
    settings: WorkSettings,
    additions: PageAdditions = PageAdditions(),
) -> StoredFile:
    """Write the report page of an evaluation beside its scores.

    Images are fetched one by one as they are drawn, where this machine lacks them: a page shows a few of thousands.

    Args:
        store: Store of the run.
        model: The measured model.
        report: The evaluation.
        settings: Of this machine: its folder for temporary files, and its images.
        additions: What else to show.

    Returns:
        The stored page.

    Raises:
        CorruptObject: the detections are not what was stored.
    """
    snapshot, cache = load_snapshot(store, report.snapshot_digest), BlobCache.of(settings)
    scratch = settings.work_dir / "scratch"
    title = f"YOLO-NAS {model.spec.variant.upper()} on {snapshot.source.name}"
    with scratch_folder(scratch) as folder:
        content = ReportContent(
            title=title,
            evaluation=read_evaluation(store, report, folder),
            comparison=additions.comparison,
            decision=additions.decision,
            learning=additions.learning,
            history=_read_history(store, model, folder),
            spec=model.spec,
            result=model.result,
        )

        def image_path(image: LabelledImage) -> Path:
            path = folder / image.sha256
            if not path.exists():
                fetch_image(store, image, path, cache)
            return path

        detections = read_detections(store, report.detections, scratch)
        page_path = folder / "report.html"
        write_report(page_path, with_images(content, snapshot.of_split(report.split), detections, image_path))
        key = partial(keys.report_page, _prefix_of(report), additions.kind)
        return store.upload(page_path, key, content_type="text/html; charset=utf-8", is_new=True)


def write_record(store: Store, report: EvaluationReport, kind: Literal["study", "comparison"], record: Record) -> str:
    """Store what a page shows besides its evaluation, for programs.

    Args:
        store: Store of the run.
        report: The evaluation that the page is about.
        kind: Kind of the page.
        record: The learning curve or the comparison.

    Returns:
        Store key of the record.
    """
    key = keys.page_record(_prefix_of(report), kind, record.digest)
    put_record(store, key, record)
    return key


def read_detections(store: Store, detections: StoredFile, scratch: Path) -> list[Detection]:
    """Read stored detections.

    Args:
        store: Store of the run.
        detections: The file, in COCO results format.
        scratch: Folder for temporary files.

    Returns:
        COCO results.

    Raises:
        CorruptObject: the file is not a list.
    """
    with scratch_folder(scratch) as folder:
        path = folder / "detections.json"
        store.download(detections, path)
        results: list[Detection] = json.loads(path.read_bytes())
    if not isinstance(results, list):
        raise CorruptObject(f"{detections.key}: not a list of detections; delete it and evaluate again")
    return results


def read_evaluation(store: Store, report: EvaluationReport, folder: Path) -> Evaluation:
    """Read the numbers of a report.

    Args:
        store: Store of the run.
        report: The evaluation.
        folder: Folder for the file.

    Returns:
        All numbers of its page.
    """
    path = folder / "report.json"
    store.download(report.evaluation, path)
    return Evaluation.model_validate_json(path.read_bytes())


def _read_history(store: Store, model: TrainedModel, folder: Path) -> list[EpochResult]:
    path = folder / "history.jsonl"
    store.download(model.history, path)
    return [EpochResult.model_validate_json(line) for line in path.read_text().splitlines()]


def _prefix_of(report: EvaluationReport) -> str:
    return keys.evaluation_prefix(report.evaluation.key)
