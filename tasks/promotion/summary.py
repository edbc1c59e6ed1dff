"""The outcome of a retrain run, told in markdown. Pure."""

import re

from tasks.records import EvaluationReport, ModelVersion, PromotionDecision, RetrainOutcome, SnapshotRef, TrainedModel

OUTCOME = "retrain-outcome"
"""Key of the artifact that programs read a run's outcome from."""


def outcome_row(outcome: RetrainOutcome) -> dict[str, str | int | float | bool | None]:
    """The outcome in one row: the version it was published as, and the gate's word."""
    decision, version = outcome.decision, outcome.version
    return {
        "project": version.project,
        "version": version.version,
        "alias": outcome.alias,
        "run_key": version.run_key,
        **decision.model_dump(mode="json", exclude={"schema_version"}),
    }


def outcome_markdown(
    snapshot: SnapshotRef,
    model: TrainedModel,
    report: EvaluationReport,
    decision: PromotionDecision,
    version: ModelVersion,
    report_link: str,
    link_days: int,
) -> str:
    """What people want to know first: the verdict, the scores, a way to the report."""
    scores, result = report.scores, model.result
    splits = ", ".join(f"{counts.images} {split}" for split, counts in snapshot.splits.items())
    classes = "\n".join(
        f"| {_cell(name)} | {score.truths} | {_number(score.ap)} | {_number(score.ap50)} "
        f"| {_number(score.precision)} | {_number(score.recall)} |"
        for name, score in scores.per_class.items()
    )
    return f"""# {version.project} version {version.version}: {"champion" if decision.promote else "not promoted"}

{decision.reason}

| mAP | mAP50 | mAP75 | precision | recall | at score |
|---|---|---|---|---|---|
| **{scores.map:.3f}** | {scores.map50:.3f} | {scores.map75:.3f} | {scores.precision:.3f} | {scores.recall:.3f} \
| {scores.threshold:.2f} |

Measured on the {report.split} split: {report.counts.images} pictures, {report.counts.boxes} boxes.

[Open the report]({report_link}) (this link works for {link_days} days; the page stays at `{version.report.key}`)

| class | boxes | AP | AP50 | precision | recall |
|---|---|---|---|---|---|
{classes}

Labels: {splits} pictures, snapshot `{snapshot.snapshot_digest[:12]}`. Training: YOLO-NAS {model.spec.variant}, \
{result.epochs_done} epochs ({result.why_ended}), best epoch \
{result.best_epoch}, {result.seconds:.0f} s at {result.images_per_second:.1f} pictures/s on {result.device}, \
run `{model.run_key[:12]}`.
"""


def _number(value: float | None) -> str:
    return "\N{EN DASH}" if value is None else f"{value:.3f}"


def _cell(name: str) -> str:
    """A class name that is read as plain text: whatever could be markdown or HTML becomes an entity."""
    return re.sub(r"[^\w\s.,-]|_", lambda found: f"&#{ord(found[0])};", " ".join(name.split()))
