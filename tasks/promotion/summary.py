"""The outcome of a retrain run in Markdown and in rows. Pure."""

from collections.abc import Mapping
from typing import Literal

from tasks.metrics.nothing_right import nothing_right
from tasks.records import EvaluationReport, ModelVersion, PromotionDecision, RetrainOutcome, Scores
from tasks.rendering.markdown import as_cell, as_interval, as_number, as_text

OUTCOME = "retrain-outcome"
"""Key of the artifact from which programs read the outcome of a run."""


MIN_STEP_SECONDS = 0.1


def outcome_row(outcome: RetrainOutcome) -> dict[str, str | int | float | bool | None]:
    """The outcome in one row: the published version, and the decision of the gate."""
    return version_row(outcome.version, outcome.decision, outcome.alias)


def version_row(
    version: ModelVersion, decision: PromotionDecision, alias: str | None
) -> dict[str, str | int | float | bool | None]:
    """A published version and a decision about it in one row.

    Args:
        version: The version.
        decision: The decision of the gate.
        alias: Its alias; None if it has none.

    Returns:
        The row.
    """
    return {
        "project": version.project,
        "version": version.version,
        "alias": alias,
        "run_key": version.run_key,
        **decision.model_dump(mode="json", exclude={"schema_version", "checks", "policy"}),
    }


def class_rows(scores: Scores) -> list[dict[str, str | int | float | None]]:
    """A row for each class, lowest AP first, with the 95 % interval of its AP in words."""
    ordered = sorted(scores.per_class.items(), key=lambda one: (one[1].ap is None, one[1].ap or 0.0, one[0]))
    return [
        {
            "class": name,
            "boxes": score.truths,
            "AP": score.ap,
            "95 % interval": as_interval(score.ci95.get("ap")),
            "AP50": score.ap50,
            "precision": score.precision,
            "recall": score.recall,
            "threshold": score.threshold,
        }
        for name, score in ordered
    ]


def outcome_markdown(
    outcome: RetrainOutcome, report_link: str, page_link: str | None, validity: str, older: Mapping[int, str]
) -> str:
    """The outcome for people: verdict, scores, and links to the report and to the project's page.

    Args:
        outcome: The outcome of the run.
        report_link: Link to the report page.
        page_link: Link to the project's page; None if it could not be written.
        validity: How long the links work, such as "works until 2026-12-04 14:02 UTC".
        older: Run keys of runs with the same settings by older recipes.

    Returns:
        Markdown; all names in it are escaped.
    """
    report, decision, version, model = outcome.report, outcome.decision, outcome.version, outcome.model
    scores, result = report.scores, model.result
    splits = ", ".join(f"{counts.images} {split}" for split, counts in outcome.snapshot.splits.items())
    numbers = ("map", "map50", "map75", "ar", "precision", "recall", "f1")
    values = " | ".join(f"{getattr(scores, name):.3f}" for name in numbers)
    intervals = " | ".join(as_interval(scores.ci95.get(name)) for name in numbers)
    return f"""# {headline(outcome)}

{_warning(scores)}{as_text(decision.reason)}

{checks_in_lines(decision)}| | mAP | mAP50 | mAP75 | AR | precision | recall | F1 |
|---|---|---|---|---|---|---|---|
| | {values} |
| 95 % interval | {intervals} |

Measured on the {report.split} split: {report.counts.images} images, {report.counts.boxes} boxes, \
{scores.classes_measured} classes. {_threshold(scores)}{_speed(report)}

[Open the report]({report_link}) (this link {validity}; the page stays at `{version.report.key}`)

{_page_line(version.project, page_link)}

| class | boxes | AP | AP50 | precision | recall |
|---|---|---|---|---|---|
{_class_lines(scores)}

Labels: {splits} images, snapshot `{outcome.snapshot.snapshot_digest[:12]}`. Training: YOLO-NAS {model.spec.variant}, \
{result.epochs_done} epochs ({result.why_ended}), best epoch \
{result.best_epoch}, {result.seconds:.0f} s at {result.images_per_second:.1f} images/s on {result.device}, \
run `{model.run_key[:12]}` by recipe {model.spec.recipe}.{_older(older)}

{_formats(version)}
"""


def steps_markdown(seconds: Mapping[str, float]) -> str:
    """Where the time of a run went: a line for each step that took ``MIN_STEP_SECONDS`` or more."""
    shown = {name: took for name, took in seconds.items() if took >= MIN_STEP_SECONDS}
    lines = [f"| {name} | {took:.1f} |" for name, took in shown.items()]
    return "\n".join(["| step | seconds |", "|---|---|", *lines])


def _class_lines(scores: Scores) -> str:
    return "\n".join(
        f"| {as_cell(name)} | {score.truths} | {as_number(score.ap)} | {as_number(score.ap50)} "
        f"| {as_number(score.precision)} | {as_number(score.recall)} |"
        for name, score in scores.per_class.items()
    )


def _older(runs: Mapping[int, str]) -> str:
    """That runs by older recipes are kept, and were not used."""
    return "".join(
        f" Run `{run_key[:12]}` by recipe {recipe} has the same settings; it is kept, and was not used."
        for recipe, run_key in runs.items()
    )


def _warning(scores: Scores) -> str:
    """That nothing is right, if so, as a paragraph before the decision."""
    sentence = nothing_right(scores)
    return f"{sentence}\n\n" if sentence else ""


def _page_line(project: str, link: str | None) -> str:
    command = f"`nasflow models page {project}`"
    if link is None:
        return f"The page with all versions could not be written; {command} writes it."
    return f"[All versions of {project}]({link}) ({command} gives another link)"


def headline(outcome: RetrainOutcome) -> str:
    """The outcome in one line."""
    return f"{outcome.version.project} version {outcome.version.version}: {_verdict(outcome.decision)}"


def kind_of(outcome: RetrainOutcome) -> Literal["promoted", "kept", "cannot-tell"]:
    """The outcome as the name of its event."""
    if outcome.decision.promote:
        return "promoted"
    return "cannot-tell" if outcome.decision.is_open else "kept"


def _verdict(decision: PromotionDecision) -> str:
    if decision.answer is not None:
        words = {"promote": "champion, as was answered", "keep": "not promoted, as was answered"}
        return words.get(decision.answer, "not promoted, nobody answered whether to")
    if decision.promote:
        return "champion" if decision.overridden is None else "champion, on request"
    return "not promoted" if decision.verdict == "keep" else "not promoted, it cannot be told whether it is better"


def checks_in_lines(decision: PromotionDecision) -> str:
    """A line of Markdown for each check of the gate except the deciding one, and an empty line after them."""
    signs = {True: "passed", False: "failed", None: "open"}
    lines = [
        f"- {signs[check.passed]}: {as_text(check.text)}\n"
        for check in decision.checks
        if check.text != decision.reason
    ]
    return "".join(lines) + "\n" if lines else ""


def _threshold(scores: Scores) -> str:
    images = f"the {scores.threshold_from} split" if scores.threshold_from else "these same images, which flatters"
    return (
        f"Precision, recall and F1 at confidence threshold {scores.threshold:.2f} and IoU 0.50; the threshold was "
        f"chosen on {images}."
    )


def _speed(report: EvaluationReport) -> str:
    if report.speed is None:
        return ""
    return f" One image takes {report.speed.latency_ms:.1f} ms on {report.speed.device}."


def _formats(version: ModelVersion) -> str:
    """The published formats, and why others are missing."""
    published = f"Published as {', '.join(version.files)}."
    refused = [f" {name} is not published: {as_text(reason)}." for name, reason in version.formats_refused.items()]
    return published + "".join(refused)
